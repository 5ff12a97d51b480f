// What every lock manager of the package promises: one test for each promise, run for each manager.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { downgradeContract, noDowngradeContract } from './downgrade.mjs';
import { LockError, LockGuard, LockManager } from './entry.mjs';
import { lossContract, refusalContract } from './losses.mjs';
import { signalContract } from './signals.mjs';
import { freshKey, nothing, rejection, requestsFor, untilPending } from './support.mjs';

/**
 * @param make makes a manager; all that it makes share their locks.
 * @param made how another process makes one, if not by `new`.
 * @param withdrawn when a wait that was given up leaves the queue: `'at once'` is the promise. In
 * Node's own `navigator.locks` (24 to 26) an aborted request stays, without effect on who is next,
 * until the lock is released.
 * @param steals whether locks can be stolen. If not, that is refused.
 * @param downgrades whether exclusive locks can be made shared.
 */
export function lockManagerContract(name, make, { scope, withdrawn = 'at once', made, steals = true, downgrades = true }) {
  describe(name, { timeout: 60_000 }, () => {
    const locks = make();
    const untilWithdrawn = async (key, count) => withdrawn === 'at once' && untilPending(locks, key, count);

    test('is a LockManager and says whom it excludes', () => {
      assert.ok(locks instanceof LockManager);
      assert.equal(locks.scope, scope);
    });

    signalContract(locks);
    if (steals) lossContract(locks, name, made);
    else refusalContract(locks);
    if (downgrades) downgradeContract(locks, { steals });
    else noDowngradeContract(locks);

    test('has one exclusive holder at a time', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 1000 });
      assert.ok(guard instanceof LockGuard);
      assert.deepEqual([guard.key, guard.name, guard.mode], [key, key, 'exclusive']);
      assert.equal(await make().tryLock(key), null);
      assert.equal(await make().tryLock(key, { mode: 'shared' }), null);
      await guard.release();
      const next = await make().tryLock(key);
      assert.equal(next.key, key);
      await next.release();
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('does not mix up keys', async () => {
      const guards = await Promise.all([freshKey(), freshKey()].map((key) => locks.lock(key, { timeout: 0 })));
      for (const guard of guards) await guard.release();
    });

    test('shares among readers, and lets no reader past a writer that waits', async () => {
      const key = freshKey();
      const readers = [await locks.lock(key, { timeout: 0, mode: 'shared' }), await locks.tryLock(key, { mode: 'shared' })];
      assert.deepEqual(
        readers.map(({ mode }) => mode),
        ['shared', 'shared'],
      );
      const writer = locks.lock(key, { timeout: Infinity });
      await untilPending(locks, key, 1);
      assert.equal(await locks.tryLock(key, { mode: 'shared' }), null);
      for (const reader of readers) await reader.release();
      await (await writer).release();
    });

    test('serves first come, first served, across managers, with a signal or without', async () => {
      const key = freshKey();
      const first = await locks.lock(key, { timeout: 0 });
      const order = [];
      const { signal } = new AbortController();
      const waits = Array.from({ length: 20 }, async (_, i) => {
        const guard = await make().lock(key, { timeout: 30_000, ...(i % 3 === 0 && { signal }) });
        order.push(i);
        await guard.release();
      });
      await untilPending(locks, key, 20);
      await first.release();
      await Promise.all(waits);
      assert.deepEqual(
        order,
        Array.from({ length: 20 }, (_, i) => i),
      );
    });

    test('times out with an error that helps, and leaves nothing in the queue', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const start = performance.now();
      const error = await rejection(locks.lock(key, { timeout: 60 }));
      assert.ok(performance.now() - start >= 59, 'it waited');
      assert.ok(error instanceof LockError && error instanceof Error);
      assert.deepEqual([error.name, error.code, error.key], ['LockError', 'TIMED_OUT', key]);
      assert.ok(error.message.startsWith(`timed out acquiring lock "${key}" after 60ms: held`), error.message);
      await untilWithdrawn(key, 0);
      await guard.release();
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('tries once with a timeout of 0', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      assert.equal((await rejection(locks.lock(key, { timeout: 0 }))).code, 'TIMED_OUT');
      await guard.release();
    });

    test('waits, rather than fire at once, for longer than a timer can count', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const order = [];
      const long = [2 ** 31, 2 ** 40, Number.MAX_VALUE, Infinity].map((timeout) =>
        locks.lock(key, { timeout }).then(async (guard) => {
          order.push(timeout);
          await guard.release();
        }),
      );
      await rejection(locks.lock(key, { timeout: 50 }));
      assert.deepEqual(order, []);
      await guard.release();
      await Promise.all(long);
      assert.deepEqual(order, [2 ** 31, 2 ** 40, Number.MAX_VALUE, Infinity]);
    });

    test('refuses a bad key at once, and shows it escaped', async () => {
      for (const key of ['', '..', '_abc', 'abc-', 'a/b', 'a:b', 'naïve', 'x'.repeat(201)]) {
        for (const attempt of [locks.lock(key, { timeout: Infinity }), locks.tryLock(key), locks.lockMany([key], { timeout: 0 })]) {
          assert.equal((await rejection(attempt)).code, 'INVALID_KEY', key);
        }
      }
      assert.equal((await rejection(locks.tryLock('a\nb'))).key, 'a\\nb');
    });

    test('takes no call without a proper timeout, key, mode or signal', async () => {
      const key = freshKey();
      for (const timeout of [undefined, null, NaN, -1, -Infinity, '100', {}]) {
        const messages = await Promise.all(
          [
            locks.lock(key, { timeout }),
            locks.lockMany([key], { timeout }),
            ...(timeout === undefined ? [] : [locks.request(key, { timeout }, () => {})]),
          ].map(async (attempt) => {
            const error = await rejection(attempt);
            assert.ok(error instanceof TypeError, String(timeout));
            return error.message;
          }),
        );
        for (const message of messages) assert.match(message, /timeout must be a number of milliseconds/);
      }
      for (const attempt of [
        () => locks.lock(key),
        () => locks.lock(key, 1000),
        () => locks.lock(42, { timeout: 0 }),
        () => locks.lock(key, { timeout: 0, mode: 'write' }),
        () => locks.lock(key, { timeout: 0, signal: {} }),
        () => locks.lock(key, { timeout: 0, signal: null }),
        () => locks.tryLock(undefined),
        () => locks.tryLock(key, { mode: null }),
        () => locks.tryLock(key, null),
        () => locks.lockMany('abc', { timeout: 0 }),
        () => locks.lockMany([1], { timeout: 0 }),
      ]) {
        assert.ok((await rejection(attempt())) instanceof TypeError, String(attempt));
      }
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('gives up a wait whose signal is aborted, with the reason of the signal', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const controller = new AbortController();
      const { signal } = controller;
      const doomed = rejection(locks.lock(key, { timeout: Infinity, signal }));
      const next = locks.lock(key, { timeout: Infinity });
      await untilPending(locks, key, 2);
      assert.equal(getEventListeners(signal, 'abort').length, 1);

      const reason = { not: 'even an error' };
      controller.abort(reason);
      assert.equal(await doomed, reason);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      await untilWithdrawn(key, 1);
      await guard.release();
      await (await next).release();
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('requests nothing when the signal is aborted already', async () => {
      const key = freshKey();
      const signal = AbortSignal.abort();
      for (const attempt of [
        locks.lock(key, { timeout: 0, signal }),
        locks.lockMany([key], { timeout: 0, signal }),
        locks.request(key, { signal }, assert.fail),
      ]) {
        const error = await rejection(attempt);
        assert.equal(error, signal.reason);
        assert.equal(error.name, 'AbortError');
      }
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('passes a grant on that meets an abort', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const controller = new AbortController();
      const doomed = rejection(locks.lock(key, { timeout: Infinity, signal: controller.signal }));
      const next = locks.lock(key, { timeout: 30_000 });
      await untilPending(locks, key, 2);
      void guard.release();
      controller.abort();
      assert.equal((await doomed).name, 'AbortError');
      await (await next).release();
    });

    test('does not release a held lock when the signal of its wait is aborted', async () => {
      const key = freshKey();
      const controller = new AbortController();
      const guard = await locks.lock(key, { timeout: 0, signal: controller.signal });
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      controller.abort();
      assert.equal(await locks.tryLock(key), null);
      assert.equal(guard.lost.aborted, false);
      await guard.release();
    });

    test('releases once, and says when the lock is free', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const released = guard.release();
      assert.equal(guard.release(), released);
      assert.equal(await released, undefined);
      const next = await locks.lock(key, { timeout: 0 });
      await guard.release();
      guard[Symbol.dispose]();
      await guard[Symbol.asyncDispose]();
      assert.equal(await locks.tryLock(key), null, 'a late release does not free the lock of the next');
      assert.equal(guard.lost.aborted, false);
      await next.release();
    });

    test('releases at the end of a block', async () => {
      const key = freshKey();
      await (await locks.lock(key, { timeout: 0 }))[Symbol.asyncDispose]();
      (await locks.lock(key, { timeout: 0 }))[Symbol.dispose]();
      // Not awaited, but free for us all the same.
      await (await locks.tryLock(key)).release();
    });

    test('tells the victim of a steal that its lock is lost', { skip: !steals }, async () => {
      const key = freshKey();
      const [early, late] = [await locks.lock(key, { timeout: 0, mode: 'shared' }), await locks.lock(key, { timeout: 0, mode: 'shared' })];
      const { lost } = early;
      const event = new Promise((resolve) => lost.addEventListener('abort', resolve, { once: true }));
      assert.equal(lost.aborted, false);
      await make().request(key, { steal: true }, async (thief) => {
        await event;
        assert.equal(thief.lost.aborted, false);
        assert.equal(late.lost.aborted, true, 'also when nobody had looked before');
      });
      assert.equal(early.lost, lost);
      for (const { reason } of [lost, late.lost]) {
        assert.ok(reason instanceof LockError);
        assert.deepEqual([reason.code, reason.key], ['LOST', key]);
      }
      await early.release();
      await late.release();
      assert.equal(early.lost.aborted, true);
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('locks many keys or none, in one order', async () => {
      const [a, b, c] = [freshKey('a'), freshKey('b'), freshKey('c')];
      const guards = await locks.lockMany(new Set([c, a, b]), { timeout: 0 });
      assert.ok(Array.isArray(guards));
      assert.deepEqual(
        guards.map(({ key, mode }) => [key, mode]),
        [a, b, c].map((key) => [key, 'exclusive']),
      );
      assert.deepEqual(Object.keys(guards), ['0', '1', '2']);

      const error = await rejection(locks.lockMany([b, freshKey('a')], { timeout: 20 }));
      assert.deepEqual([error.code, error.key], ['TIMED_OUT', b]);
      await guards.release();
      await guards.release();
      const again = await locks.lockMany([b, a, b], { timeout: 0 });
      assert.equal(again.length, 2);
      await again[Symbol.asyncDispose]();
      (await locks.lockMany([a], { timeout: 0 }))[Symbol.dispose]();
      assert.equal((await locks.lockMany([], { timeout: 0 })).length, 0);
      for (const key of [a, b, c]) await untilPending(locks, key, 0);
    });

    test('frees the keys that it has acquired when the rest cannot be acquired', async () => {
      const [a, b] = [freshKey('a'), freshKey('b')];
      const guard = await locks.lock(b, { timeout: 0 });
      assert.equal((await rejection(locks.lockMany([a, b], { timeout: 20 }))).code, 'TIMED_OUT');
      assert.deepEqual(await requestsFor(locks, a), nothing);

      const controller = new AbortController();
      // Node keeps those who gave up in its queue until the next release.
      const { pending } = await requestsFor(locks, b);
      const doomed = rejection(locks.lockMany([a, b], { timeout: Infinity, signal: controller.signal }));
      await untilPending(locks, b, pending.length + 1);
      controller.abort();
      assert.equal(await doomed, controller.signal.reason);
      await (await locks.lock(a, { timeout: 30_000 })).release();
      await guard.release();
      assert.deepEqual(await requestsFor(locks, b), nothing);
    });

    test('does not deadlock two who lock the same keys in opposite orders', async () => {
      const [a, b] = [freshKey('a'), freshKey('b')];
      const rounds = (keys) =>
        (async () => {
          for (let i = 0; i < 20; i++) await (await locks.lockMany(keys, { timeout: 30_000 })).release();
        })();
      await Promise.all([rounds([a, b]), rounds([b, a])]);
    });

    test('shows who holds and who waits', async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const waits = [locks.lock(key, { timeout: Infinity, mode: 'shared' }), locks.lock(key, { timeout: Infinity })];
      await untilPending(locks, key, 2);
      const { held, pending } = await locks.query();
      assert.equal(new Set([...held, ...pending].map(({ clientId }) => clientId)).size, 1, 'we are one client');
      const [holder] = held.filter((request) => request.key === key);
      assert.deepEqual([holder.name, holder.mode], [key, 'exclusive']);
      assert.ok(holder.age >= 0 && holder.age < 60_000, `${holder.age}`);
      assert.deepEqual(
        pending.filter((request) => request.key === key).map(({ mode }) => mode),
        ['shared', 'exclusive'],
      );
      await guard.release();
      for (const wait of waits) await (await wait).release();
    });
  });
}
