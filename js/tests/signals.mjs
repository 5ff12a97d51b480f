// What callers give as a signal, and what they catch when it is aborted. A part of the contract.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { LockError } from './entry.mjs';
import { freshKey, nothing, rejection, requestsFor, untilPending } from './support.mjs';

/** Reasons that could be taken for something of ours, or for nothing. */
const reasons = {
  null: null,
  false: false,
  'an empty string': '',
  'an object with a code': { code: 'USER_CANCELLED' },
  'an object that looks like a failure of the crate': { code: 'LOST', message: 'm', key: 'k' },
  'a LockError of the application': new LockError('LOST', 'the outer lock'),
  'an error of another realm': runInNewContext('Object.assign(new Error("of another realm"), { code: 20 })'),
  'a thenable': { then: assert.fail },
};

/** A signal of somebody else's making: of another realm's classes, as an iframe or a polyfill has them. */
const foreignSignal = runInNewContext(`(overrides) => {
  const listeners = new Set();
  const signal = {
    aborted: false,
    reason: undefined,
    addEventListener: (type, listener) => void listeners.add(listener),
    removeEventListener: (type, listener) => void listeners.delete(listener),
    abort(reason) {
      if (signal.aborted) return;
      signal.aborted = true;
      signal.reason = reason;
      for (const listener of listeners) listener({ type: 'abort' });
    },
    listeners,
  };
  return Object.defineProperties(signal, Object.getOwnPropertyDescriptors(overrides ?? {}));
}`);

const oops = new RangeError('oops');
const thrower = () => {
  throw oops;
};

/** Every call that takes a signal. */
const waits = {
  lock: (locks, key, signal) => locks.lock(key, { timeout: Infinity, signal }),
  lockMany: (locks, key, signal) => locks.lockMany([key], { timeout: Infinity, signal }),
  request: (locks, key, signal) => locks.request(key, { signal }, assert.fail),
};

/** What a promise was rejected with. Not by `await`, which would call a thenable. */
const reasonOf = async (promise) => {
  const [settled] = await Promise.allSettled([promise]);
  assert.equal(settled.status, 'rejected');
  return settled;
};

export function signalContract(locks) {
  /** Whether `key` can be had again. */
  const isFree = async (key) => {
    const guard = await locks.lock(key, { timeout: 30_000 });
    await guard.release();
    assert.deepEqual((await requestsFor(locks, key)).held, nothing.held);
  };

  for (const [name, wait] of Object.entries(waits)) {
    test(`${name}(): the very reason of the signal is what is caught, whatever it is`, async () => {
      for (const [what, reason] of Object.entries(reasons)) {
        const key = freshKey();
        const guard = await locks.lock(key, { timeout: 0 });
        for (const signal of [new AbortController(), foreignSignal()]) {
          const before = (await requestsFor(locks, key)).pending.length;
          const doomed = reasonOf(wait(locks, key, signal.signal ?? signal));
          await untilPending(locks, key, before + 1);
          signal.abort(reason);
          assert.ok(Object.is((await doomed).reason, reason), what);
          // And before anything was asked.
          assert.ok(Object.is((await reasonOf(wait(locks, key, signal.signal ?? signal))).reason, reason), what);
        }
        await guard.release();
        await isFree(key);
      }
    });

    test(`${name}(): a signal without a reason, of a polyfill, gives the platform's`, async () => {
      const key = freshKey();
      const guard = await locks.lock(key, { timeout: 0 });
      const signal = foreignSignal();
      delete signal.reason;
      const doomed = rejection(wait(locks, key, signal));
      await untilPending(locks, key, 1);
      signal.abort(undefined);
      for (const error of [await doomed, await rejection(wait(locks, key, signal))]) {
        assert.ok(error instanceof DOMException);
        assert.equal(error.name, 'AbortError');
      }
      assert.equal(signal.listeners.size, 0);
      await guard.release();
      await isFree(key);
    });
  }

  test('a signal that throws ends the call with what it throws, and leaves no lock behind', async () => {
    for (const overrides of [
      {
        get aborted() {
          return thrower();
        },
      },
      { addEventListener: thrower },
    ]) {
      const key = freshKey();
      for (const wait of Object.values(waits)) assert.equal(await rejection(wait(locks, key, foreignSignal(overrides))), oops);
      await isFree(key);
    }
  });

  test('a signal that throws only later costs nobody the lock', async () => {
    const key = freshKey();
    let looks = 0;
    // The check looks once, and so does the call before it asks.
    const moody = foreignSignal({
      get aborted() {
        return ++looks > 2 ? thrower() : false;
      },
    });
    assert.equal(await rejection(locks.lock(key, { timeout: 0, signal: moody })), oops);
    await isFree(key);

    const clinging = foreignSignal({ removeEventListener: thrower });
    await (await locks.lock(key, { timeout: 0, signal: clinging })).release();
    await isFree(key);

    const unreadable = foreignSignal({
      get reason() {
        return thrower();
      },
    });
    const guard = await locks.lock(key, { timeout: 0 });
    const doomed = rejection(locks.lock(key, { timeout: Infinity, signal: unreadable }));
    await untilPending(locks, key, 1);
    for (const listener of unreadable.listeners) {
      unreadable.aborted = true;
      listener({ type: 'abort' });
    }
    assert.equal(await doomed, oops);
    await guard.release();
    await isFree(key);
  });

  test('a signal that calls back as soon as it is listened to requests nothing', async () => {
    const key = freshKey();
    const eager = foreignSignal({
      addEventListener(type, listener) {
        this.aborted = true;
        this.reason = 'at once';
        listener({ type });
      },
    });
    for (const wait of Object.values(waits)) {
      eager.aborted = false;
      assert.equal(await rejection(wait(locks, key, eager)), 'at once');
    }
    assert.deepEqual(await requestsFor(locks, key), nothing);
  });

  test('a signal that keeps its event to itself still gives up its wait at the end', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const doomed = rejection(locks.lock(key, { timeout: Infinity, signal: controller.signal }));
    await untilPending(locks, key, 1);
    controller.abort('silently');
    await guard.release();
    assert.equal(await doomed, 'silently');
    assert.equal(getEventListeners(controller.signal, 'abort').length, 1, 'that of the test');
    await isFree(key);
  });

  test('what is no signal is a TypeError that shows it', async () => {
    const unspeakable = { toString: thrower };
    for (const signal of [
      {},
      null,
      'abort',
      { aborted: false },
      { aborted: false, addEventListener() {} },
      Object.create(null),
      unspeakable,
    ]) {
      const error = await rejection(locks.lock(freshKey(), { timeout: 0, signal }));
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /signal must be an AbortSignal; got ./);
    }
  });
}
