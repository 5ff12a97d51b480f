// What a replaced clock may not do to locks in memory, which look at it as seldom as they can.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryLockManager } from '../../pkg/index.js';
import { replaced, thrower } from './mocks.mjs';
import { freshKey, rejection } from './support.mjs';

describe('a clock that was replaced', () => {
  const locks = new MemoryLockManager({ label: 'wallet' });
  const real = performance.now.bind(performance);

  test('that releases the guard that is being released: it is released once', async () => {
    const key = freshKey();
    const guard = await locks.lock(key, { timeout: 0 });
    const order = [];
    const next = locks.lock(key, { timeout: 5_000 }).then((next) => order.push('next') && next);
    const third = locks.lock(key, { timeout: 5_000 }).then((third) => order.push('third') && third);
    let calls = 0;
    const comesBack = () => {
      calls += 1;
      void guard.release();
      return real();
    };
    // Another `Date` has `performance` asked, even within a millisecond.
    await replaced(globalThis, 'Date', { value: class extends Date {}, writable: true }, () =>
      replaced(performance, 'now', { value: comesBack, writable: true }, () => guard.release()),
    );
    assert.ok(calls > 0, 'the release looked at the clock');
    const held = await next;
    assert.deepEqual(order, ['next'], 'one release grants to one waiter');
    assert.equal(await locks.tryLock(key), null);
    await held.release();
    await (await third).release();
    await (await locks.lock(key, { timeout: 0 })).release();
  });

  test('that releases the last lock of a queue while it is asked for: its queue is made again', async () => {
    const key = freshKey();
    // More queues than are kept when nobody uses them.
    const others = await Promise.all(Array.from({ length: 100 }, () => locks.lock(freshKey(), { timeout: 0 })));
    const guard = await locks.lock(key, { timeout: 0 });
    const comesBack = () => {
      void guard.release();
      return real();
    };
    const next = await replaced(globalThis, 'Date', { value: class extends Date {}, writable: true }, () =>
      replaced(performance, 'now', { value: comesBack, writable: true }, () => locks.tryLock(key)),
    );
    assert.notEqual(next, null);
    assert.equal(await locks.tryLock(key), null);
    await Promise.all([next, ...others].map((held) => held.release()));
  });

  for (const [what, value] of [
    [
      'that stands still',
      class extends Date {
        static now = () => 7;
      },
    ],
    [
      'that throws',
      class extends Date {
        static now = thrower('broken');
      },
    ],
    ['that is missing', undefined],
  ]) {
    test(`a Date ${what}: the age of a lock is that of performance.now()`, async () => {
      const key = freshKey();
      await replaced(globalThis, 'Date', { value, writable: true }, async () => {
        // Something to be late by, if the clock were looked at once and never again.
        await (await locks.lock(freshKey(), { timeout: 0 })).release();
        const before = real();
        while (real() - before < 20);
        const asked = real();
        const guard = await locks.lock(key, { timeout: 0 });
        const { held } = await locks.query();
        const most = real() - asked;
        const { age } = held.find((info) => info.key === key);
        assert.ok(age <= most, `held for ${age} ms, of ${most} at most`);
        const error = await rejection(locks.lock(key, { timeout: 0 }));
        assert.equal(error.code, 'TIMED_OUT');
        await guard.release();
      });
    });
  }
});
