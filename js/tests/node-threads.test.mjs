// Locks in memory by the addon, among the threads of one process.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { MemoryLockManager } from '../../pkg/node.js';
import { freshKey, nothing, rejection, requestsFor, runNode, thread, untilPending } from './support.mjs';

const locks = new MemoryLockManager();

describe('threads', { timeout: 120_000 }, () => {
  test('exclude each other', async () => {
    const [threads, rounds] = [3, 20_000];
    // What a lock protects: a number that is read, and written a moment later.
    const memory = new Int32Array(new SharedArrayBuffer(8));
    const key = freshKey();
    const body = `
      const { memory, key, rounds } = workerData;
      const locks = new MemoryLockManager();
      for (let i = 0; i < rounds; i++) {
        const guard = await locks.lock(key, { timeout: Infinity });
        const [inside, count] = memory;
        memory[0] = 1;
        if (inside) throw new Error('two hold one lock');
        if (i % 100 === 0) await null;
        memory[1] = count + 1;
        memory[0] = 0;
        guard.release();
      }`;
    const ends = Array.from({ length: threads }, () => thread(body, { workerData: { memory, key, rounds } }).ended);
    assert.deepEqual(await Promise.all(ends), Array(threads).fill([0]));
    assert.equal(memory[1], threads * rounds);
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('are served first come, first served, with readers together', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const order = [];
    const waits = [];
    for (const [n, mode] of ['exclusive', 'shared', 'shared', 'exclusive'].entries()) {
      const worker = thread(
        `const guard = await new MemoryLockManager().lock(workerData.key, { timeout: Infinity, mode: workerData.mode });
        parentPort.postMessage(workerData.n);
        parentPort.once('message', () => guard.release());`,
        { workerData: { key, mode, n } },
      );
      waits.push(worker);
      await untilPending(locks, key, n + 1);
      worker.on('message', (n) => order.push(n));
    }
    const said = waits.map((worker) => once(worker, 'message'));
    await guard.release();
    await said[0];
    assert.deepEqual(order, [0]);
    waits[0].postMessage('release');
    await Promise.all([said[1], said[2]]);
    assert.deepEqual([...order].sort(), [0, 1, 2]);
    waits[1].postMessage('release');
    waits[2].postMessage('release');
    await said[3];
    waits[3].postMessage('release');
    await Promise.all(waits.map(({ ended }) => ended));
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

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

  test('use or withdraw a grant that meets a timeout', async () => {
    const key = freshKey();
    const body = `
      const locks = new MemoryLockManager();
      let granted = 0;
      for (let i = 0; i < 300; i++) {
        const waits = [0, 1, 1, 2, 2].map((timeout) => locks.lock(workerData, { timeout }).then((guard) => {
          granted++;
          return guard.release();
        }, (error) => { if (error.code !== 'TIMED_OUT') throw error; }));
        await Promise.all(waits);
      }
      parentPort.postMessage(granted);`;
    const workers = Array.from({ length: 3 }, () => thread(body, { workerData: key }));
    const granted = await Promise.all(workers.map((worker) => worker.said()));
    await Promise.all(workers.map(({ ended }) => ended));
    assert.ok(
      granted.every((count) => count > 0),
      String(granted),
    );
    assert.deepEqual(await requestsFor(locks, key), nothing);
    await (await locks.lock(key, { timeout: 0 })).release();
  });

  test('that were blocked when their grant came have it, though their time is up', async () => {
    const key = freshKey();
    const worker = thread(
      `const guard = await new MemoryLockManager().lock(workerData, { timeout: 0 });
      parentPort.postMessage('held');
      parentPort.once('message', () => guard.release());`,
      { workerData: key },
    );
    await worker.said();
    const wait = locks.lock(key, { timeout: 300 });
    worker.postMessage('release');
    const until = performance.now() + 1000;
    while (performance.now() < until);
    await (await wait).release();
    await worker.ended;
  });
});

/** Ways for a thread to end, from within or from without. */
const ends = {
  'that returns': { last: '' },
  'that exits': { last: 'process.exit(3);' },
  'that throws': { last: `setImmediate(() => { throw new Error('meant to be thrown'); });` },
  'out of memory': {
    last: 'const all = []; for (;;) all.push(new Array(1000).fill(all.length));',
    options: { resourceLimits: { maxOldGenerationSizeMb: 16 } },
  },
  'that is terminated': { last: 'await new Promise(() => setInterval(() => {}, 1e6));', terminate: true },
  'terminated in an endless loop': { last: 'for (;;);', terminate: true },
};

describe('a thread', { timeout: 120_000 }, () => {
  for (const [how, { last, options, terminate }] of Object.entries(ends)) {
    test(`${how} frees what it held, and the next is woken`, async () => {
      const key = freshKey();
      const worker = thread(
        `await new MemoryLockManager().lock(workerData, { timeout: 0 });
        parentPort.postMessage('held');
        ${last}`,
        { workerData: key, ...options },
      );
      worker.on('error', () => {});
      await worker.said();
      const next = locks.lock(key, { timeout: Infinity });
      if (terminate) await worker.terminate();
      await (await next).release();
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test(`${how} withdraws what it waited for, and the next is woken`, async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0, mode: 'shared' });
      // A thread that waits does not return.
      const ending = last || 'process.exit();';
      const worker = thread(
        `const locks = new MemoryLockManager();
        locks.lock(workerData, { timeout: Infinity }).catch(() => {});
        parentPort.postMessage('waits');
        ${ending}`,
        { workerData: key, ...options },
      );
      worker.on('error', () => {});
      await worker.said();
      // It stands behind the writer that waits, until that is gone.
      const next = locks.lock(key, { timeout: Infinity, mode: 'shared' });
      if (terminate) await worker.terminate();
      await (await next).release();
      await guard.release();
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });
  }

  test('that waits is kept alive, and one that does not is not', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const worker = thread(
      `const guard = await new MemoryLockManager().lock(workerData, { timeout: Infinity });
      parentPort.postMessage('held');
      await guard.release();`,
      { workerData: key },
    );
    const said = worker.said();
    await untilPending(locks, key, 1);
    await guard.release();
    assert.equal(await said, 'held');
    assert.deepEqual(await worker.ended, [0]);
  });

  test('may end while others release to it', async () => {
    const key = freshKey();
    const worker = `
      const locks = new MemoryLockManager();
      for (let i = 0; i < 50; i++) locks.lock(workerData, { timeout: Infinity }).then((guard) => guard.release(), () => {});
      parentPort.postMessage('waits');`;
    for (let i = 0; i < 40; i++) {
      const guard = await locks.lock(key, { timeout: Infinity });
      const doomed = thread(worker, { workerData: key });
      await doomed.said();
      const ended = doomed.terminate();
      void guard.release();
      await ended;
    }
    await (await locks.lock(key, { timeout: Infinity })).release();
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
