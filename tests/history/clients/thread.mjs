// A thread of threads.test.mjs: it uses the locks of one backend until it has made its requests, or is terminated.

import { openSync, writeSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import * as forNode from '../../../pkg/node.js';
import * as forPages from '../../../pkg/index.js';
import { useLocks } from './use-locks.mjs';
import { lineOf } from './verdict.mjs';

const { backend, context, folder, file, keys, operations, seed, share } = workerData;

const managers = {
  wasm: () => new forPages.MemoryLockManager(),
  addon: () => new forNode.MemoryLockManager(),
  fcntl: () => forNode.FcntlPidLockManager.open(folder, { timeout: 60_000 }),
  flock: () => forNode.FlockPidLockManager.open(folder, { timeout: 60_000 }),
  shared: () => forNode.SharedDatadirLockManager.open(folder, { timeout: 60_000 }),
};
const manager = await managers[backend]();

// At once: whoever is terminated has told of all that it did.
const log = openSync(file, 'a');
const tell = (event, rest) => {
  writeSync(log, `${lineOf({ context, event, ...rest })}\n`);
  if (event === 'asked' && rest.request === share) parentPort.postMessage('share');
};

const rest = async (random) => {
  const draw = random(100);
  if (draw === 0) await setTimeout(random(3));
  else if (draw < 20) await setImmediate();
};

const steals = backend !== 'shared'; // which has no such thing
await useLocks({ manager, tell, settle: async () => {}, rest, seed, operations, keys, steals, shortest: 4, tasks: 8 });
await manager.close?.();
