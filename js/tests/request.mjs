// `request()`: what the Web Locks specification says of `navigator.locks.request()`.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LockGuard } from './entry.mjs';
import { deferred, freshKey, nothing, rejection, requestsFor, untilPending } from './support.mjs';

export function requestContract(name, make, { steals = true } = {}) {
  describe(`${name}, request()`, { timeout: 60_000 }, () => {
    const locks = make();

    test('gives the result of the callback, and holds the lock until then', async () => {
      const key = freshKey();
      const { promise, resolve } = deferred();
      const result = locks.request(key, async (lock) => {
        assert.ok(lock instanceof LockGuard);
        assert.deepEqual([lock.name, lock.mode], [key, 'exclusive']);
        return promise;
      });
      const next = locks.request(key, { mode: 'shared' }, (lock) => lock.mode);
      await untilPending(locks, key, 1);
      resolve(42);
      assert.equal(await result, 42);
      assert.equal(await next, 'shared');
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('passes on what the callback throws or rejects with, and frees the lock', async () => {
      const key = freshKey();
      const oops = new RangeError('oops');
      const thrown = () => {
        throw oops;
      };
      assert.equal(await rejection(locks.request(key, thrown)), oops);
      assert.equal(await rejection(locks.request(key, async () => thrown())), oops);
      assert.equal(await rejection(locks.request(key, { ifAvailable: true }, thrown)), oops);
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('calls the callback as a function, with no `this`', async () => {
      assert.equal(
        await locks.request(freshKey(), function () {
          return this;
        }),
        undefined,
      );
    });

    test('calls back with null where ifAvailable finds the lock held', async () => {
      const key = freshKey();
      const asked = await locks.request(key, async () => [
        await locks.request(key, { ifAvailable: true }, (lock) => lock),
        await locks.request(key, { ifAvailable: true, mode: 'shared', timeout: 0 }, (lock) => lock),
      ]);
      assert.deepEqual(asked, [null, null]);
      assert.equal(await locks.request(key, { ifAvailable: true }, (lock) => lock.name), key);
    });

    test('steals: the victim gets an AbortError, and its late result does not matter', { skip: !steals }, async () => {
      const key = freshKey();
      const { promise, reject } = deferred();
      const running = deferred();
      const victim = rejection(
        locks.request(key, (lock) => {
          running.resolve(lock);
          return promise;
        }),
      );
      const lock = await running.promise;
      const waiting = locks.request(key, () => 'third');
      await untilPending(locks, key, 1);
      const thief = locks.request(key, { steal: true }, async () => {
        const error = await victim;
        assert.ok(error instanceof DOMException);
        assert.equal(error.name, 'AbortError');
        assert.equal(lock.lost.reason.code, 'LOST');
        assert.deepEqual(await requestsFor(locks, key), { held: ['exclusive'], pending: ['exclusive'] });
        return 'thief';
      });
      assert.equal(await thief, 'thief');
      assert.equal(await waiting, 'third');
      reject(new Error('unhandled if nobody looks after it'));
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('steals from a request that was made in the same breath', { skip: !steals }, async () => {
      const key = freshKey();
      const never = new Promise(() => {});
      const first = rejection(locks.request(key, () => never));
      const second = rejection(locks.request(key, { steal: true }, () => never));
      assert.equal(await locks.request(key, { steal: true }, () => 'last'), 'last');
      assert.deepEqual([(await first).name, (await second).name], ['AbortError', 'AbortError']);
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('does not take what a callback throws for a promise', async () => {
      const thenable = { then: assert.fail };
      const thrown = () => {
        throw thenable;
      };
      // Not by `await`, which would call it.
      for (const callback of [thrown, async () => thrown()]) {
        const settled = await Promise.allSettled([locks.request(freshKey(), callback)]);
        assert.equal(settled[0].reason, thenable);
      }
    });

    test('grants requests in the order in which they were made, whatever they are for', async () => {
      const [a, b] = [freshKey(), freshKey()];
      const { promise, resolve } = deferred();
      const order = [];
      const hold = (name) => () => {
        order.push(name);
        return promise;
      };
      const readers = [1, 2, 3].map((i) => locks.request(a, { mode: 'shared' }, hold(`reader ${i}`)));
      const writer = locks.request(a, hold('writer'));
      await locks.request(b, () => order.push('other key'));
      assert.deepEqual(order, ['reader 1', 'reader 2', 'reader 3', 'other key']);
      resolve();
      await Promise.all([...readers, writer]);
      assert.equal(order.at(-1), 'writer');
    });

    test('steals what is free, too', { skip: !steals }, async () => {
      assert.equal(await locks.request(freshKey(), { steal: true }, ({ mode }) => mode), 'exclusive');
    });

    test('rejects with the reason of a signal that is aborted while it waits, and not later', async () => {
      const key = freshKey();
      const controller = new AbortController();
      const { signal } = controller;
      await locks.request(key, { signal }, async () => {
        const doomed = rejection(locks.request(key, { signal }, assert.fail));
        await untilPending(locks, key, 1);
        controller.abort('enough');
        assert.equal(await doomed, 'enough');
      });
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('times out, and waits for ever without a timeout', async () => {
      const key = freshKey();
      const order = [];
      const { promise, resolve } = deferred();
      const holder = locks.request(key, () => promise);
      const patient = locks.request(key, () => order.push('patient'));
      const error = await rejection(locks.request(key, { timeout: 30 }, assert.fail));
      assert.equal(error.code, 'TIMED_OUT');
      assert.deepEqual(order, []);
      resolve();
      await Promise.all([holder, patient]);
      assert.deepEqual(order, ['patient']);
    });

    test('refuses options that exclude each other, as the specification does', async () => {
      const key = freshKey();
      const { signal } = new AbortController();
      for (const options of [
        { steal: true, ifAvailable: true },
        { steal: true, mode: 'shared' },
        { steal: true, signal },
        { ifAvailable: true, signal },
        { steal: true, ifAvailable: true, signal: AbortSignal.abort() },
      ]) {
        const error = await rejection(locks.request(key, options, assert.fail));
        assert.ok(error instanceof DOMException);
        assert.equal(error.name, 'NotSupportedError', JSON.stringify(options));
      }
      assert.equal((await rejection(locks.request('-reserved', assert.fail))).name, 'NotSupportedError');
      assert.equal((await rejection(locks.request('no spaces', assert.fail))).code, 'INVALID_KEY');
      assert.deepEqual(await requestsFor(locks, key), nothing);
    });

    test('converts its arguments as WebIDL does', async () => {
      const key = freshKey();
      const run = () => 'ran';
      for (const args of [
        [],
        [key],
        [key, undefined],
        [key, {}],
        [key, {}, undefined],
        [key, {}, 'callback'],
        [key, 'options', run],
        [Symbol('key'), run],
        [key, { mode: 'foo' }, run],
        [key, { mode: null }, run],
        ...['string', 12.34, false, {}, Symbol(), () => {}, globalThis, null].map((signal) => [key, { signal }, run]),
      ]) {
        assert.ok((await rejection(locks.request(...args))) instanceof TypeError, args.map(String).join());
      }
      for (const options of [undefined, null, {}, { mode: undefined, steal: 0, ifAvailable: '', signal: undefined }]) {
        assert.equal(await locks.request(key, options, run), 'ran');
      }
      assert.equal(await locks.request(42, (lock) => lock.name), '42');
    });
  });
}
