// What the application does when it hears that a lock is lost. A part of the contract.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LockError } from './entry.mjs';
import { deferred, freshKey, nothing, rejection, requestsFor, runNode } from './support.mjs';

export function lossContract(locks, name, made = `new ${name}()`) {
  const abortOf = (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));

  test('a listener of `lost` may release the guard, and lock again', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const released = new Promise((resolve) => {
      guard.lost.addEventListener('abort', () => resolve(guard.release()));
    });
    const again = new Promise((resolve) => {
      guard.lost.addEventListener('abort', () => resolve(locks.lock(key, { timeout: 30_000 })));
    });
    await locks.request(key, { steal: true }, () => released);
    assert.equal(await released, undefined);
    const next = await again;
    assert.equal(next.lost.aborted, false);
    await next.release();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('a listener of `lost` that is called by release() gets the promise of that call', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0, mode: 'shared' });
    const other = await locks.lock(key, { timeout: 0, mode: 'shared' });
    const heard = [];
    guard.lost.addEventListener('abort', () => heard.push(guard.release()));
    const stolen = abortOf(other.lost);
    const thief = locks.request(key, { steal: true }, () => stolen);
    const released = guard.release();
    await Promise.all([released, thief]);
    for (const promise of heard) assert.equal(promise, released);
    await other.release();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('a listener of `lost` that throws harms nobody else', { timeout: 60_000 }, async () => {
    const source = `
      import assert from 'node:assert/strict';
      import { ${name} } from 'crosslock';
      const thrown = [];
      process.on('uncaughtException', (error) => thrown.push(error.message));
      const locks = ${made};
      const guards = [];
      for (const n of [1, 2]) guards.push(await locks.lock('k', { timeout: 0, mode: 'shared' }));
      const heard = guards.map((guard, i) => new Promise((resolve) => {
        guard.lost.addEventListener('abort', () => {
          void guard.release().then(resolve);
          throw new Error('listener ' + i);
        });
      }));
      await locks.request('k', { steal: true }, () => Promise.all(heard));
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(thrown.sort(), ['listener 0', 'listener 1']);
      const next = await locks.tryLock('k');
      await next.release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'done\n', stderr: '' });
  });

  test('request() ends in an AbortError of one sentence when its lock is stolen while it runs', async () => {
    const key = freshKey();
    const running = deferred();
    const victim = rejection(
      locks.request(key, (lock) => {
        running.resolve();
        return new Promise(() => lock);
      }),
    );
    await running.promise;
    await locks.request(key, { steal: true }, () => {});
    const error = await victim;
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, 'AbortError');
    assert.match(error.message, new RegExp(`^lock "${key}" [^:]*: [^:]*$`));
    assert.equal(error.message.split(key).length, 2, error.message);
  });

  test('stolen before its callback was run: AbortError from request(), LOST from lock() or its guard', async () => {
    const key = freshKey();
    await locks.query(); // loaded: from now on a free lock in memory is granted within the call
    const ran = [];
    const victim = rejection(locks.request(key, () => ran.push('victim') && new Promise(() => {})));
    const thief = locks.request(key, { steal: true }, () => 'thief');
    assert.equal(await thief, 'thief');
    const error = await victim;
    assert.ok(error instanceof DOMException, String(error));
    assert.equal(error.name, 'AbortError');
    // Node grants before it lets anyone steal.
    if (name === 'MemoryLockManager') assert.deepEqual(ran, []);

    const lock = locks.lock(key, { timeout: Infinity });
    await locks.request(key, { steal: true }, () => {});
    const reason = await lock.then(
      (guard) => guard.release().then(() => guard.lost.reason),
      (thrown) => thrown,
    );
    assert.ok(reason instanceof LockError, String(reason));
    assert.deepEqual([reason.code, reason.key], ['LOST', key]);
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });
}

/** What a manager does whose locks cannot be stolen. */
export function refusalContract(locks) {
  test('refuses to steal, and says why', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    for (const taken of [key, freshKey()]) {
      const error = await rejection(locks.request(taken, { steal: true }, assert.fail));
      assert.ok(error instanceof LockError, String(error));
      assert.equal(error.code, 'UNSUPPORTED');
      assert.match(error.message, /^this lock manager does not support steal: .*end the process that holds it$/);
      assert.deepEqual((await requestsFor(locks, taken)).pending, []);
    }
    assert.equal((await rejection(locks.request('not a key', { steal: true }, assert.fail))).code, 'INVALID_KEY');
    assert.equal(guard.lost.aborted, false);
    await guard.release();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });
}
