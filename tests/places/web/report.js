import * as crosslock from './node_modules/crosslock/index.js';
import { scenario } from './scenario.js';

/** What the scenario gives here, and whether the lock that the page holds meanwhile is to be had. */
export async function report() {
  try {
    const result = await scenario(crosslock);
    return { ...result, heldByPage: (await new crosslock.WebLockManager().tryLock('page')) === null };
  } catch (error) {
    return String(error.stack);
  }
}
