import type { LockManager } from './manager.js';
import { WebLockManager, type WebLockManagerOptions } from './web.js';

/**
 * The lock manager for those who do not want to think about it: a {@link WebLockManager} that has
 * been seen to work. It never falls back to one that excludes less.
 *
 * @throws {@link LockError} `UNAVAILABLE` where there is no `navigator.locks` or its use is refused,
 * `INVALID_NAMESPACE`.
 */
export async function platformDefault(options: WebLockManagerOptions = {}): Promise<LockManager> {
  const locks = new WebLockManager(options);
  // Where an origin is opaque the API exists, but refuses every use: only trying tells.
  await locks.query();
  return locks;
}
