// What the locks of several threads promise: one test for each promise, run for each manager by which threads exclude
// each other.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { freshKey, nothing, requestsFor, thread as threadOf } from './support.mjs';

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

/**
 * @param locks are those of this thread.
 * @param made how another thread makes a manager of the same locks.
 * @param rounds how often three threads lock a key in turns.
 */
export function threadContract(name, locks, made, { rounds }) {
  const thread = (body, options) => threadOf(`const locks = ${made};\n${body}`, options);

  describe(`threads, ${name}`, { timeout: 120_000 }, () => {
    test('exclude each other', async () => {
      const threads = 3;
      // What a lock protects: a number that is read, and written a moment later.
      const memory = new Int32Array(new SharedArrayBuffer(8));
      const key = freshKey();
      const body = `
        const { memory, key, rounds } = workerData;
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
          `const wait = locks.lock(workerData.key, { timeout: Infinity, mode: workerData.mode });
          parentPort.postMessage('waits');
          const guard = await wait;
          parentPort.postMessage(workerData.n);
          parentPort.once('message', () => guard.release());`,
          { workerData: { key, mode, n } },
        );
        waits.push(worker);
        assert.equal(await worker.said(), 'waits');
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

    test('use or withdraw a grant that meets a timeout', async () => {
      const key = freshKey();
      const body = `
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
        `const guard = await locks.lock(workerData, { timeout: 0 });
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

  describe(`a thread, ${name}`, { timeout: 120_000 }, () => {
    for (const [how, { last, options, terminate }] of Object.entries(ends)) {
      test(`${how} frees what it held, and the next is woken`, async () => {
        const key = freshKey();
        const worker = thread(
          `await locks.lock(workerData, { timeout: 0 });
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
          `locks.lock(workerData, { timeout: Infinity }).catch(() => {});
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
        `const wait = locks.lock(workerData, { timeout: Infinity });
        parentPort.postMessage('waits');
        await (await wait).release();
        parentPort.postMessage('released');`,
        { workerData: key },
      );
      assert.equal(await worker.said(), 'waits');
      const said = worker.said();
      await guard.release();
      assert.equal(await said, 'released');
      assert.deepEqual(await worker.ended, [0]);
    });

    test('may end while others release to it', async () => {
      const key = freshKey();
      const worker = `
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
}
