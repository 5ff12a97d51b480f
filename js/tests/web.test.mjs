// Web Locks in Node, where they reach the threads of the process (Node 24.5 and later). How they
// reach browser tabs is in tests/tabs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LockManager, platformDefault, WebLockManager } from '../../pkg/index.js';
import { lockManagerContract } from './contract.mjs';
import { requestContract } from './request.mjs';
import { deferred, freshKey, hasWebLocks, packageUrl, rejection, requestsFor, runNode, untilPending } from './support.mjs';

const make = () => new WebLockManager();

if (hasWebLocks) {
  lockManagerContract('WebLockManager', make, { scope: 'process', withdrawn: 'at release', downgrades: false });
  requestContract('WebLockManager', make);
  describe('WebLockManager in Node', { timeout: 60_000 }, () => inNode());
} else {
  test('without navigator.locks everything fails at once with UNAVAILABLE, and why', async () => {
    const locks = make();
    for (const attempt of [
      locks.lock('k', { timeout: Infinity }),
      locks.tryLock('k'),
      locks.lockMany(['k'], { timeout: Infinity }),
      locks.request('k', assert.fail),
      locks.request('k', { ifAvailable: true }, assert.fail),
      locks.request('k', { steal: true }, assert.fail),
      locks.query(),
      platformDefault(),
    ]) {
      const error = await rejection(attempt);
      assert.equal(error.code, 'UNAVAILABLE');
      assert.match(error.message, /no navigator\.locks; it came with Node 24\.5/);
    }
  });
}

test('a namespace follows the rules for keys', async () => {
  const error = await rejection(new WebLockManager({ namespace: 'a:b' }).tryLock('k'));
  assert.equal(error.code, 'INVALID_NAMESPACE');
  assert.equal((await rejection(platformDefault({ namespace: '_' }))).code, 'INVALID_NAMESPACE');
  assert.throws(() => new WebLockManager({ namespace: 42 }), TypeError);
});

test("a page or a worker of Electron's has the locks of its origin, though it has Node's process as well", async (t) => {
  // There is no Electron here: this is all that the pages see of it.
  t.after(() => delete process.type);
  for (const [type, scope] of [
    ['renderer', 'origin'],
    ['worker', 'origin'],
    ['service-worker', 'origin'],
    ['browser', 'process'],
    ['utility', 'process'],
    [undefined, 'process'],
  ]) {
    process.type = type;
    assert.equal(make().scope, scope, `process.type is ${type}`);
  }
});

function inNode() {
  const locks = make();

  test('platformDefault gives Web Locks', async () => {
    const locks = await platformDefault({ namespace: 'wallet-1' });
    assert.ok(locks instanceof WebLockManager && locks instanceof LockManager);
    assert.equal(locks.scope, 'process');
  });

  test('namespaces are apart, and have names of their own in the browser', async () => {
    const key = freshKey();
    const wallet = await platformDefault({ namespace: 'wallet-1' });
    const guards = [await locks.lock(key, { timeout: 0 }), await wallet.lock(key, { timeout: 0 })];
    const { held } = await navigator.locks.query();
    const names = held.map(({ name }) => name).filter((name) => name.endsWith(key));
    assert.deepEqual(names.sort(), [`crosslock::${key}`, `crosslock:wallet-1:${key}`]);
    assert.deepEqual(await requestsFor(wallet, key), { held: ['exclusive'], pending: [] });
    for (const guard of guards) await guard.release();
  });

  test('a wait that was given up leaves nothing in navigator.locks after the next release', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const controller = new AbortController();
    const doomed = rejection(locks.lock(key, { timeout: Infinity, signal: controller.signal }));
    await untilPending(locks, key, 1);
    controller.abort();
    await doomed;
    await rejection(locks.lock(key, { timeout: 10 }));
    await guard.release();
    const { held, pending } = await navigator.locks.query();
    assert.deepEqual(
      [...held, ...pending].filter(({ name }) => name.endsWith(key)),
      [],
    );
  });

  test('another thread waits, and gets the lock when it is released', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const worker = locker(key);
    assert.deepEqual(await once(worker, 'message'), ['waits']);
    await guard.release();
    assert.deepEqual(await once(worker, 'message'), ['held']);
    assert.equal(await locks.tryLock(key), null);
    const mine = locks.lock(key, { timeout: 30_000 });
    const exit = once(worker, 'exit'); // which may come before the lock does
    worker.postMessage('release');
    await (await mine).release();
    await exit;
  });

  test('many who wait look after Node together, not each for itself', async (t) => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const controller = new AbortController();
    const waits = Array.from({ length: 50 }, () => rejection(locks.lock(key, { timeout: Infinity, signal: controller.signal })));
    const times = [];
    const second = deferred();
    const { request } = navigator.locks;
    t.mock.method(navigator.locks, 'request', function (name, ...args) {
      if (name === 'crosslock:round-trip' && times.push(performance.now()) === 2) second.resolve();
      return request.call(this, name, ...args);
    });
    await second.promise;
    controller.abort();
    await Promise.all(waits);
    await guard.release();
    assert.ok(times[1] - times[0] >= 490, `${times[1] - times[0]} ms apart`);
  });

  for (const passing of [true, false]) {
    test(`a query is as of when it is answered, for the own thread: passing ${passing}`, async (t) => {
      const locks = new WebLockManager({ passing });
      const key = freshKey();
      const first = await locks.lock(key, { timeout: 0 });
      const waits = [1, 2, 3, 4].map(() => locks.request(key, () => {}));
      await locks.query();
      // The answer is on its way, and late.
      const late = deferred();
      const { query } = navigator.locks;
      const mock = t.mock.method(navigator.locks, 'query', async function () {
        const answer = await query.call(this);
        await late.promise;
        return answer;
      });
      const answer = locks.query();
      await first.release();
      await Promise.all(waits);
      late.resolve();
      const { held, pending } = await answer;
      mock.mock.restore();
      const ofKey = (requests) => requests.filter((request) => request.key === key);
      assert.deepEqual([ofKey(held), ofKey(pending)], [[], []]);
    });
  }

  test('100,000 keys, 10,000 losses and 1,000 aborted waits leave nothing behind in the module', async () => {
    const { code, stdout, stderr } = await runNode(`
      const { Instance } = WebAssembly;
      let memory;
      WebAssembly.Instance = function (...args) {
        const instance = new Instance(...args);
        memory = instance.exports.memory;
        return instance;
      };
      const { WebLockManager } = await import('crosslock');
      const locks = new WebLockManager();
      const use = async (count, name) => {
        for (let i = 0; i < count; i++) await (await locks.lock(name + i, { timeout: 0 })).release();
        const held = await locks.lock(name, { timeout: 0 });
        // Old enough for the first of those who wait to be asked for.
        await new Promise((resolve) => setTimeout(resolve, 20));
        // Fewer: Node keeps them in its queue, which it searches for each, until the release.
        for (let i = 0; i < count / 100; i++) {
          const controller = new AbortController();
          const wait = locks.lock(i % 2 ? name : 'other' + i, { timeout: Infinity, signal: controller.signal });
          controller.abort();
          await wait.then((guard) => guard.release(), () => {});
          if (i % 100 === 0) await new Promise(setImmediate);
        }
        await held.release();
        for (let i = 0; i < count / 10; i++) {
          const guard = await locks.lock('lost' + i, { timeout: 0 });
          guard.lost.aborted;
          await guard.release();
        }
      };
      await use(2_000, 'a');
      const before = memory.buffer.byteLength;
      await use(100_000, 'b');
      console.log((memory.buffer.byteLength - before) / 65_536);
    `);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(Number(stdout) <= 2, `${stdout} pages more`);
  });

  test('a query leaves out nothing that another copy of the package has in the same thread', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0, mode: 'shared' });
    const { promise, resolve } = deferred();
    const plain = (mode) => navigator.locks.request(`crosslock::${key}`, { mode }, () => promise);
    const others = [plain('shared'), plain('exclusive')];
    assert.deepEqual(await requestsFor(locks, key), { held: ['shared', 'shared'], pending: ['exclusive'] });
    await guard.release();
    assert.deepEqual(await requestsFor(locks, key), { held: ['shared'], pending: ['exclusive'] });
    resolve();
    await Promise.all(others);
  });

  test('a lock that the plain API holds keeps us out', async () => {
    const key = freshKey();
    const { promise, resolve } = deferred();
    const plain = new Promise((granted) => navigator.locks.request(`crosslock::${key}`, () => (granted(), promise)));
    await plain;
    assert.equal(await locks.tryLock(key), null);
    resolve();
    await (await locks.lock(key, { timeout: 30_000 })).release();
  });
}

/** A thread that locks `key`, says whether it waits and when it holds it, and releases it on demand. */
function locker(key) {
  const source = `
    import { parentPort, workerData as key } from 'node:worker_threads';
    import { WebLockManager } from ${JSON.stringify(packageUrl)};
    const locks = new WebLockManager();
    parentPort.once('message', async () => (await wait).release());
    const wait = locks.lock(key, { timeout: 30_000 });
    // Node shows a thread its own requests only, so the one that waits has to tell.
    const { pending } = await locks.query();
    if (pending.some((request) => request.key === key)) parentPort.postMessage('waits');
    await wait;
    parentPort.postMessage('held');
  `;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: key });
}
