// Locks in memory by the addon, among the threads of one process.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryLockManager } from '../../pkg/node.js';
import { freshKey, nothing, rejection, requestsFor, runNode, thread } from './support.mjs';
import { threadContract } from './threads.mjs';

const locks = new MemoryLockManager();
threadContract('MemoryLockManager', locks, 'new MemoryLockManager()', { rounds: 20_000 });

describe('threads', { timeout: 120_000 }, () => {
  test('see each other in query() and in errors', async () => {
    const key = freshKey();
    const worker = thread(
      `const guard = await new MemoryLockManager({ label: 'the sync thread' }).lock(workerData, { timeout: 0 });
      parentPort.postMessage('held');
      parentPort.once('message', () => guard.release());`,
      { workerData: key },
    );
    await worker.said();
    const own = locks.lock(key, { timeout: 50 });
    const { held, pending } = await locks.query();
    const [holder, waiter] = [held, pending].map((requests) => requests.find((request) => request.key === key));
    assert.deepEqual([holder.label, holder.clientId], ['the sync thread', `thread-${process.pid}-${worker.threadId}`]);
    assert.ok(holder.age >= 0);
    assert.equal(waiter.clientId, `thread-${process.pid}-0`);
    const error = await rejection(own);
    assert.equal(error.code, 'TIMED_OUT');
    assert.match(error.message, /after 50ms: held by the sync thread for \d+ms$/);
    worker.postMessage('release');
    await worker.ended;
  });

  test('steal from each other, and the victim is told', async () => {
    const key = freshKey();
    const worker = thread(
      `parentPort.on('message', () => {}); // a lock keeps no thread alive
      const { lost } = await new MemoryLockManager().lock(workerData, { timeout: 0 });
      lost.addEventListener('abort', () => parentPort.postMessage([lost.reason.code, lost.reason.message]));
      const running = new MemoryLockManager().request(workerData + '.2', () => new Promise(() => {}));
      running.catch(({ name }) => parentPort.postMessage(name));
      parentPort.postMessage('held');`,
      { workerData: key },
    );
    await worker.said();
    await locks.request(key, { steal: true }, async ({ lost }) => {
      assert.deepEqual(await worker.said(), ['LOST', `lock "${key}" lost: it was stolen`]);
      assert.equal(lost.aborted, false);
    });
    await locks.request(`${key}.2`, { steal: true }, async () => assert.equal(await worker.said(), 'AbortError'));
    await worker.terminate();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });
});

describe('a process', { timeout: 120_000 }, () => {
  const workers = `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const thread = (body) => new Worker(\`import(\${JSON.stringify('crosslock')}).then(async ({ MemoryLockManager }) => {
      const locks = new MemoryLockManager();
      \${body}
    });\`, { eval: true });`;

  test('may load the addon in worker threads alone, one after the other', async () => {
    const { code, stderr } = await runNode(`${workers}
      for (let i = 0; i < 3; i++) {
        const [code] = await once(thread("await locks.lock('k', { timeout: 0 });"), 'exit');
        if (code) process.exit(code);
      }`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });

  test('may exit in a callback, while others wait', async () => {
    const { code, stderr } = await runNode(`${workers}
      import { MemoryLockManager } from 'crosslock';
      const locks = new MemoryLockManager();
      await locks.request('k', async () => {
        for (let i = 0; i < 4; i++) thread("await locks.lock('k', { timeout: Infinity });");
        while ((await locks.query()).pending.length < 4) await new Promise(setImmediate);
        process.exit(7);
      });`);
    assert.deepEqual({ code, stderr }, { code: 7, stderr: '' });
  });

  test('ends though locks are held', async () => {
    const { code, stderr } = await runNode(`
      import { MemoryLockManager } from 'crosslock';
      const guard = await new MemoryLockManager().lock('k', { timeout: 0 });
      guard.lost.addEventListener('abort', () => {});
      globalThis.kept = guard;`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });
});
