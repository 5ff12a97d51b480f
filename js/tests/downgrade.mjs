// `guard.downgrade()`. A part of the contract.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LockError } from './entry.mjs';
import { freshKey, nothing, rejection, requestsFor, untilPending } from './support.mjs';

export function downgradeContract(locks, { steals }) {
  const exclusive = (key) => locks.lock(key, { timeout: 30_000 });
  const shared = (key) => locks.lock(key, { timeout: 30_000, mode: 'shared' });
  const modes = (guards) => guards.map(({ mode }) => mode);

  test('a downgrade lets in the readers at the head of the queue, and no writer', async () => {
    const key = freshKey();
    const guard = await exclusive(key);
    const [one, other] = [shared(key), shared(key)];
    await untilPending(locks, key, 2);
    const writer = exclusive(key);
    await untilPending(locks, key, 3);
    const behind = shared(key);
    await untilPending(locks, key, 4);

    assert.equal(await guard.downgrade(), undefined);
    const readers = await Promise.all([one, other]);
    assert.deepEqual(modes([guard, ...readers]), ['shared', 'shared', 'shared']);
    assert.deepEqual(await requestsFor(locks, key), { held: ['shared', 'shared', 'shared'], pending: ['exclusive', 'shared'] });
    assert.equal(await locks.tryLock(key, { mode: 'shared' }), null, 'the writer comes first');

    for (const reader of readers) await reader.release();
    await untilPending(locks, key, 2);
    await guard.release();
    await (await writer).release();
    await (await behind).release();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('a downgrade of what nobody waits for lets readers try', async () => {
    const key = freshKey();
    const guard = await exclusive(key);
    await Promise.all([guard.downgrade(), guard.downgrade()]);
    const reader = await locks.tryLock(key, { mode: 'shared' });
    assert.equal(await locks.tryLock(key), null);
    await reader.downgrade();
    await reader.release();
    assert.equal(await locks.tryLock(key), null, 'it is still held');
    await guard.release();
    await (await locks.tryLock(key)).release();
  });

  test('what was released cannot be downgraded', async () => {
    const key = freshKey();
    const guard = await exclusive(key);
    await guard.release();
    const next = await exclusive(key);
    const error = await rejection(guard.downgrade());
    assert.ok(error instanceof TypeError);
    assert.equal(error.message, `lock "${key}" was released`);
    assert.equal(await locks.tryLock(key, { mode: 'shared' }), null, 'the lock of the next is as it was');
    await next.release();
  });

  test('what was lost cannot be downgraded', { skip: !steals }, async () => {
    const key = freshKey();
    const guard = await exclusive(key);
    await locks.request(key, { steal: true }, async () => {
      const error = await rejection(guard.downgrade());
      assert.ok(error instanceof LockError);
      assert.deepEqual([error.code, error.key, guard.mode], ['LOST', key, 'exclusive']);
      assert.equal(await locks.tryLock(key, { mode: 'shared' }), null, 'the lock of the thief is as it was');
    });
    await guard.release();
  });
}

/** For a platform that has no such operation. */
export function noDowngradeContract(locks) {
  test('a downgrade is refused, and the lock is as it was', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const error = await rejection(guard.downgrade());
    assert.ok(error instanceof LockError);
    assert.deepEqual([error.code, error.message], ['UNSUPPORTED', 'this lock manager does not support downgrade']);
    assert.equal(guard.mode, 'exclusive');
    assert.equal(await locks.tryLock(key, { mode: 'shared' }), null);
    await guard.release();
    assert.ok((await rejection(guard.downgrade())) instanceof TypeError);
    const reader = await locks.lock(key, { timeout: 0, mode: 'shared' });
    await reader.downgrade();
    await reader.release();
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });
}
