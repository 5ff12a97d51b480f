import { once } from 'node:events';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

const { MemoryLockManager, WebLockManager } = crosslock;
const managers = [new MemoryLockManager(), ...(globalThis.navigator?.locks ? [new WebLockManager()] : [])];
const here = await scenario(crosslock);

if (isMainThread) {
  const guards = await Promise.all(managers.map((locks) => locks.lock('main', { timeout: 0 })));
  const [thread] = await once(new Worker(new URL(import.meta.url)), 'message');
  for (const guard of guards) await guard.release();
  console.log(JSON.stringify({ main: here, ...thread }));
} else {
  const taken = await Promise.all(managers.map((locks) => locks.tryLock('main')));
  parentPort.postMessage({ thread: here, excluded: taken.map((guard) => guard === null) });
}
