// The tasks of one Node thread hand a lock on among themselves, and other threads still have their turns.
// (Among tabs, and what query() shows of it: tests/tabs/handoff.test.mjs.)

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { WebLockManager } from '../../pkg/index.js';
import { freshKey, hasWebLocks, nothing, packageUrl, rejection, requestsFor } from './support.mjs';
import { runNode, untilPending } from './support.mjs';

const options = { timeout: 60_000, skip: !hasWebLocks && 'this Node has no Web Locks' };

/** The URL of a thread's module, which has `locks`, `key` and `parentPort`. */
const thread = (source) => {
  const module = `import { parentPort, workerData as key } from 'node:worker_threads';
    import { WebLockManager } from ${JSON.stringify(packageUrl)};
    const locks = new WebLockManager();
    ${source}`;
  return `data:text/javascript,${encodeURIComponent(module)}`;
};

/** A thread that says when it waits for the lock and when it holds it, and releases it on demand. */
const rival = (key) =>
  new Worker(
    new URL(
      thread(`
        let isHeld = false;
        const wait = locks.lock(key, { timeout: 30_000 }).then((guard) => ((isHeld = true), guard));
        while (!isHeld && (await locks.query()).pending.length === 0);
        if (!isHeld) parentPort.postMessage('waits');
        const guard = await wait;
        parentPort.once('message', () => guard.release());
        parentPort.postMessage('held');
      `),
    ),
    { workerData: key },
  );

describe('hand-off in Node', options, () => {
  const locks = new WebLockManager();

  /** A millisecond of work, and then the other tasks of the thread. */
  const work = async () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    await setImmediate();
  };

  test('the tasks of a thread are granted the lock in the order of their requests, readers together', async () => {
    const key = freshKey();
    const first = await locks.lock(key, { timeout: 0 });
    const [order, disturbed, waits] = [[], [], []];
    let [readers, writers] = [0, 0];
    const request = (mode, task) => {
      const number = waits.length;
      waits.push(locks.request(key, { mode, timeout: 30_000 }, () => (order.push(number), task(number))));
    };
    for (let i = 0; i < 20; i++) {
      request('exclusive', async (number) => {
        if (++writers > 1 || readers > 0) disturbed.push(number);
        await work();
        writers--;
      });
      const { promise: together, resolve: allAreHere } = Promise.withResolvers();
      for (let missing = 4; missing > 0; missing--) {
        request('shared', async (number) => {
          if (writers > 0) disturbed.push(number);
          if (++readers === 4) allAreHere();
          await together;
          await work();
          readers--;
        });
      }
    }
    await first.release();
    await Promise.all(waits);
    assert.deepEqual(
      order,
      Array.from({ length: 100 }, (_, i) => i),
    );
    assert.deepEqual(disturbed, []);
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('another thread has its turn long before hundreds of tasks that asked earlier', async (t) => {
    const key = freshKey();
    const first = await locks.lock(key, { timeout: 0 });
    let turns = 0;
    const waits = Array.from({ length: 500 }, () => locks.request(key, () => (turns++, work())));
    const worker = rival(key);
    assert.deepEqual(await once(worker, 'message'), ['waits']);
    // By now the head of our queue is in Node's queue as well, in front of the other thread.
    await first.release();
    assert.deepEqual(await once(worker, 'message'), ['held']);
    t.diagnostic(`${turns} turns of ours meanwhile`);
    // The one lease is ten milliseconds of one each.
    assert.ok(turns <= 50, `${turns}`);
    const exit = once(worker, 'exit');
    worker.postMessage('release');
    await Promise.all([...waits, exit]);
    assert.equal(turns, 500);
  });

  for (const mode of ['exclusive', 'shared']) {
    test(`an endless stream of tasks does not starve a writer of another thread: ${mode}`, async () => {
      const key = freshKey();
      let goesOn = true;
      let present = 0;
      const endless = async () => {
        while (goesOn) {
          await locks.request(key, { mode }, async () => {
            present++;
            await work();
            present--;
          });
        }
      };
      const stream = Array.from({ length: 10 }, endless);
      const worker = rival(key);
      for (let message; message !== 'held'; [message] = await once(worker, 'message'));
      assert.equal(present, 0);
      const exit = once(worker, 'exit');
      worker.postMessage('release');
      goesOn = false;
      await Promise.all([...stream, exit]);
    });
  }

  test('Node is asked far less often than there are turns; for each with passing: false', async (t) => {
    const { request } = navigator.locks;
    for (const passing of [true, false]) {
      const key = freshKey();
      let requests = 0;
      const mock = t.mock.method(navigator.locks, 'request', function (name, ...args) {
        if (name === `crosslock::${key}`) requests++;
        return request.call(this, name, ...args);
      });
      const locks = new WebLockManager({ passing });
      await Promise.all(Array.from({ length: 500 }, () => locks.request(key, () => {})));
      mock.mock.restore();
      t.diagnostic(`${requests} requests for 500 turns`);
      // One or two for each 10 milliseconds of a slow machine; and without passing on, for each turn.
      assert.ok(passing ? requests <= 100 : requests >= 500, `${requests}`);
    }
  });

  test('waits that time out or are aborted leave the queue, and the others are granted the lock in order', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const served = [];
    const controller = new AbortController();
    const wait = (name, options) => locks.request(key, options, () => void served.push(name));
    const aborted = rejection(wait('aborted', { signal: controller.signal }));
    const waits = [wait('a')];
    const late = rejection(locks.lock(key, { timeout: 40 }));
    waits.push(wait('b'));
    const { code, message } = await late;
    assert.equal(code, 'TIMED_OUT');
    assert.match(message, /after 40ms: held by client \S+ for \d+m?s, 2 requests wait in front$/);
    controller.abort('enough');
    assert.equal(await aborted, 'enough');
    assert.equal((await rejection(locks.lock(key, { timeout: 0 }))).code, 'TIMED_OUT');
    assert.equal((await locks.query()).pending.length, 2);
    await guard.release();
    await Promise.all(waits);
    assert.deepEqual(served, ['a', 'b']);
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('a steal by a task of the thread: the queue stays and is next', async () => {
    const key = freshKey();
    const first = await locks.lock(key, { timeout: 0 });
    const second = locks.lock(key, { timeout: 30_000 });
    const served = [];
    const waits = ['a', 'b'].map((name) => locks.request(key, () => void served.push(name)));
    await first.release();
    const victim = await second;
    await locks.request(key, { steal: true }, async () => {
      assert.equal(victim.lost.reason?.code, 'LOST');
      await untilPending(locks, key, 2);
      await victim.release();
      assert.deepEqual(served, []);
    });
    await Promise.all(waits);
    assert.deepEqual(served, ['a', 'b']);
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });
});

describe('a Node process with a queue of waits', options, () => {
  /** In a process: a worker that holds 'k' until it is told to release it. It keeps nobody alive. */
  const held = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    import { WebLockManager } from 'crosslock';
    const source = ${JSON.stringify(
      thread(`
        const guard = await locks.lock(key, { timeout: 0 });
        parentPort.once('message', () => setTimeout(() => guard.release(), 50));
        parentPort.postMessage('held');
      `),
    )};
    const worker = new Worker(new URL(source), { workerData: 'k' });
    await once(worker, 'message');
    worker.unref();
    const locks = new WebLockManager();
    const wait = (name, options) =>
      locks.request('k', options, () => console.log(name)).catch((reason) => console.log(reason.code ?? reason));
  `;

  test('stays alive until all of them were granted the lock that another thread held', async () => {
    const source = `${held}
      worker.postMessage('release');
      for (const name of ['a', 'b', 'c']) void wait(name);
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'a\nb\nc\n', stderr: '' });
  });

  test('stays for who is behind one that gave up', async () => {
    const source = `${held}
      const controller = new AbortController();
      void wait('a', { signal: controller.signal });
      void wait('b');
      while ((await locks.query()).pending.length < 2);
      controller.abort('enough');
      worker.postMessage('release');
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'enough\nb\n', stderr: '' });
  });

  test('stays for a timeout in the middle of it, and ends when all have given up', async () => {
    const source = `${held}
      const controller = new AbortController();
      const { signal } = controller;
      void wait('a', { signal });
      void wait('b', { timeout: 100 }).then(() => controller.abort('enough'));
      void wait('c', { signal });
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'TIMED_OUT\nenough\nenough\n', stderr: '' });
  });

  test('stays for the timeouts of waits behind a lock of its own, and no longer', async () => {
    const source = `
      import { WebLockManager } from 'crosslock';
      const locks = new WebLockManager();
      globalThis.guard = await locks.lock('k', { timeout: 0 });
      for (const timeout of [5, 100, 50]) {
        locks.lock('k', { timeout }).catch(({ code }) => console.log(code, timeout));
      }
    `;
    const stdout = [5, 50, 100].map((timeout) => `TIMED_OUT ${timeout}\n`).join('');
    assert.deepEqual(await runNode(source), { code: 0, stdout, stderr: '' });
  });
});
