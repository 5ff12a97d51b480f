// What dies in Node leaves nothing held, and the next waiter is granted the lock; and what keeps Node alive.
// (A held lock and an aborted wait do not: loading.test.mjs.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasWebLocks, packageUrl, runNode } from './support.mjs';

/** A worker thread from source, where 'crosslock' is the package. */
const thread = (source) => {
  const module = `import { parentPort, workerData as key } from 'node:worker_threads';
    import { WebLockManager } from ${JSON.stringify(packageUrl)};
    const locks = new WebLockManager();
    ${source}`;
  return `new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(module)}`)})`;
};

/** A thread that takes the lock, and then does what it is made for. */
const holder = (death) =>
  thread(`
    globalThis.guard = await locks.lock(key, { timeout: 0 });
    parentPort.postMessage('held');
    await new Promise((resolve) => parentPort.once('message', resolve));
    ${death}
  `);

/** A thread that waits for the lock, and says so. (For ever: a timeout would try once more at its end.) */
const waiter = (wait) =>
  thread(`
    const granted = locks.lock(key, { timeout: Infinity });
    while ((await locks.query()).pending.length === 0);
    parentPort.postMessage('waits');
    ${wait}
  `);

/** Each in a process of its own: a request that anyone else in the process makes would wake the waiter. */
const alone = { timeout: 120_000, concurrency: 4, skip: !hasWebLocks && 'this Node has no Web Locks' };

describe('a thread that dies holding a lock', alone, () => {
  const deaths = {
    'by terminate()': { death: 'setInterval(() => {}, 60_000)', end: 'worker.terminate()' },
    'by terminate() in an endless loop': {
      death: "parentPort.postMessage('loops'); for (;;);",
      end: "await once(worker, 'message'); worker.terminate()",
    },
    'by process.exit()': { death: 'process.exit(0)' },
    'by an uncaught exception': { death: "setImmediate(() => { throw new Error('uncaught') })" },
    'by an unhandled rejection': { death: "Promise.reject(new Error('unhandled'))" },
    // By large pieces: a heap that fills up with small arrays can hang Node 26, with no lock anywhere.
    'out of memory': { death: 'const kept = []; for (;;) kept.push(new Array(1_000_000).fill(0));', code: 'ERR_WORKER_OUT_OF_MEMORY' },
    'with nothing left to do': { death: '' },
  };
  const waiters = {
    'the main thread': `
      const wait = new WebLockManager().lock('k', { timeout: Infinity });
      while ((await new WebLockManager().query()).pending.length === 0);
      await die();
      await (await wait).release();
    `,
    'another worker': `
      const other = new Worker(${waiter("await (await granted).release(); parentPort.postMessage('granted');")}, { workerData: 'k' });
      assert.deepEqual(await once(other, 'message'), ['waits']);
      const done = once(other, 'message');
      await die();
      assert.deepEqual(await done, ['granted']);
    `,
  };
  for (const [how, { death, end = '', code }] of Object.entries(deaths)) {
    for (const [who, wait] of Object.entries(waiters)) {
      test(`${how} leaves it to ${who}`, async () => {
        const source = `
          import assert from 'node:assert/strict';
          import { once } from 'node:events';
          import { Worker } from 'node:worker_threads';
          import { WebLockManager } from 'crosslock';
          const worker = new Worker(${holder(death)}, { workerData: 'k', resourceLimits: { maxOldGenerationSizeMb: 32 } });
          let error;
          worker.on('error', (thrown) => (error = thrown));
          await once(worker, 'message');
          const exited = new Promise((resolve) => worker.on('exit', resolve));
          const die = async () => {
            worker.postMessage('die');
            ${end};
            await exited;
          };
          ${wait}
          if (${JSON.stringify(code)}) assert.equal(error?.code, ${JSON.stringify(code)});
          assert.deepEqual(await navigator.locks.query(), { held: [], pending: [] });
          console.log('done');
        `;
        const { code: exit, stdout, stderr } = await runNode(source);
        // Node prints a report of its own when a thread runs out of memory.
        assert.deepEqual([exit, stdout.split('\n').at(-2)], [0, 'done'], stderr);
      });
    }
  }

  for (const death of ['worker.terminate()', "worker.postMessage('exit')"]) {
    test(`a thread that dies waiting leaves the queue to those behind it: ${death}`, async () => {
      const source = `
        import assert from 'node:assert/strict';
        import { once } from 'node:events';
        import { Worker } from 'node:worker_threads';
        import { WebLockManager } from 'crosslock';
        const locks = new WebLockManager();
        const guard = await locks.lock('k', { timeout: 0 });
        const worker = new Worker(${waiter("parentPort.once('message', () => process.exit());")}, { workerData: 'k' });
        assert.deepEqual(await once(worker, 'message'), ['waits']);
        const next = locks.lock('k', { timeout: Infinity });
        const exited = once(worker, 'exit');
        ${death};
        await exited;
        await guard.release();
        await (await next).release();
        console.log('done');
      `;
      assert.deepEqual(await runNode(source), { code: 0, stdout: 'done\n', stderr: '' });
    });
  }
});

describe('a Node process', { timeout: 120_000 }, () => {
  const managers = ['MemoryLockManager', ...(hasWebLocks ? ['WebLockManager'] : [])];

  for (const manager of managers) {
    test(`ends when it is told to, with locks held and pending: ${manager}`, async () => {
      const source = `
        import { ${manager} } from 'crosslock';
        const locks = new ${manager}();
        globalThis.guard = await locks.lock('k', { timeout: 0 });
        for (const timeout of [3_600_000, Infinity]) void locks.lock('k', { timeout });
        while ((await locks.query()).pending.length < 2);
        process.exit(7);
      `;
      assert.deepEqual(await runNode(source), { code: 7, stdout: '', stderr: '' });
    });

    test(`stays for a wait with a timeout, and no longer: ${manager}`, async () => {
      const source = `
        import { ${manager} } from 'crosslock';
        const locks = new ${manager}();
        globalThis.guard = await locks.lock('k', { timeout: 0 });
        locks.lock('k', { timeout: 100 }).catch(({ code }) => console.log(code));
      `;
      assert.deepEqual(await runNode(source), { code: 0, stdout: 'TIMED_OUT\n', stderr: '' });
    });
  }

  test('does not stay for a wait in memory that nobody can end any more', async () => {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      const locks = new MemoryLockManager();
      globalThis.guard = await locks.lock('k', { timeout: 0 });
      void locks.lock('k', { timeout: Infinity });
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: '', stderr: '' });
  });

  test('stays for a wait without end that another thread can end', { skip: !hasWebLocks && 'this Node has no Web Locks' }, async () => {
    const source = `
      import { Worker } from 'node:worker_threads';
      import { WebLockManager } from 'crosslock';
      const worker = new Worker(${holder('setTimeout(() => guard.release(), 50);')}, { workerData: 'k' });
      worker.once('message', async () => {
        const wait = new WebLockManager().lock('k', { timeout: Infinity });
        worker.postMessage('release');
        worker.unref();
        await (await wait).release();
        console.log('done');
      });
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'done\n', stderr: '' });
  });
});
