// Worker threads that are created and ended while they hold locks, wait for them, open datadirs and wait for those.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const url = new URL('../../pkg/node.js', import.meta.url).href;

/** What a thread does. It says so once it has begun, and then waits to be ended, unless it ends itself. */
const body = `
  const { parentPort, workerData: { keys, datadir, n, isIdle } } = require('node:worker_threads');
  import(${JSON.stringify(url)}).then(async ({ FlockPidLockManager, MemoryLockManager, SharedDatadirLockManager }) => {
    if (!isIdle) {
      const locks = new MemoryLockManager({ label: 'thread ' + n });
      const ignore = () => {};
      for (const [i, key] of keys.entries()) {
        const mode = (n + i) % 3 ? 'exclusive' : 'shared';
        // Some hand on among themselves while the thread ends.
        for (let j = 0; j < 3; j++) locks.lock(key, { timeout: j ? Infinity : 5, mode }).then((guard) => j === 1 ? guard.release() : guard.lost, ignore);
      }
      if (n % 4 === 0) FlockPidLockManager.open(datadir, { timeout: Infinity }).then((opened) => opened.lock('k', { timeout: 0 }), ignore);
      if (n % 3 === 0) {
        // The thread that waits in the kernel for one that ends goes on without it.
        const shared = await SharedDatadirLockManager.open(datadir + '/shared');
        for (let j = 0; j < 2; j++) shared.lock(keys[n % 2], { timeout: Infinity }).then((guard) => j || guard.release(), ignore);
      }
      if (n % 16 === 0) locks.request(keys[0], { steal: true }, () => new Promise(ignore)).catch(ignore);
    }
    parentPort.postMessage('began');
    if (n % 5 === 0) setImmediate(() => process.exit());
    if (n % 7 === 0) setImmediate(() => { throw new Error('meant to be thrown'); });
    setInterval(ignore => ignore, 1e6);
  });`;

const sleep = new Int32Array(new SharedArrayBuffer(4));

/** Creates and ends so many threads, some at a time, and returns what the process had before and after. */
export async function soak(count, { atOnce = 8, isIdle = false } = {}) {
  const { MemoryLockManager, FlockPidLockManager, SharedDatadirLockManager } = await import(url);
  const locks = new MemoryLockManager();
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-soak-'));
  const keys = Array.from({ length: 6 }, (_, i) => `soak.${i}`);
  let last = 0;
  const one = async (n) => {
    const worker = new Worker(body, { eval: true, workerData: { keys, datadir: folder, n, isIdle } });
    worker.on('error', () => {});
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    await Promise.race([new Promise((resolve) => worker.once('message', resolve)), exited]);
    // Now, or a moment later.
    if (n % 3 === 0) Atomics.wait(sleep, 0, 0, n % 4);
    void worker.terminate();
    await exited;
  };
  const run = async (until) => {
    const lane = async () => {
      while (last < until) await one(++last);
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
  };
  // The first threads fill pools that stay.
  await run(Math.min(count, 100));
  const before = await footprint();
  await run(count);
  const after = await footprint();

  for (const key of keys) await (await locks.lock(key, { timeout: 30_000 })).release();
  const { held, pending } = await locks.query();
  assert.deepEqual(
    [...held, ...pending].filter(({ key }) => keys.includes(key)),
    [],
    'no key is stuck',
  );
  await (await FlockPidLockManager.open(folder, { timeout: 30_000 })).close();
  const shared = await SharedDatadirLockManager.open(join(folder, 'shared'));
  for (const key of keys) await (await shared.lock(key, { timeout: 30_000 })).release();
  await shared.close();
  rmSync(folder, { recursive: true });
  return { before, after };
}

async function footprint() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  const entries = (folder) => (existsSync(folder) ? readdirSync(folder).length : 0);
  return { rss: process.memoryUsage().rss, handles: entries('/proc/self/fd'), threads: entries('/proc/self/task') };
}
