// Warnings about locks that are held for longer than someone meant to.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import FakeTimers from '@sinonjs/fake-timers';
import { MemoryLockManager, WebLockManager } from '../../pkg/index.js';
import { deferred, freshKey, hasWebLocks, runNode } from './support.mjs';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

describe('warnings', { timeout: 60_000 }, () => {
  const { warn } = console;
  let warnings, warned;

  beforeEach(() => {
    warnings = [];
    warned = deferred();
    console.warn = (message) => {
      warnings.push(message);
      warned.resolve();
    };
  });

  afterEach(() => {
    console.warn = warn;
  });

  for (const Manager of [MemoryLockManager, ...(hasWebLocks ? [WebLockManager] : [])]) {
    test(`a guard that is collected unreleased warns once with its key, and keeps its lock: ${Manager.name}`, () => collected(Manager));
  }

  async function collected(Manager) {
    const locks = new Manager({ label: 'the sync task' });
    const [forgotten, watched, released] = [freshKey('forgotten'), freshKey('watched'), freshKey('released')];
    await (async () => {
      await locks.lock(forgotten, { timeout: 0 });
      const guard = await locks.lock(watched, { timeout: 0 });
      assert.equal(guard.lost.aborted, false);
      await (await locks.lock(released, { timeout: 0 })).release();
    })();
    const collect = async () => {
      await setImmediate();
      collectGarbage();
    };
    while (warnings.length < 2) await collect();
    // What is still to be collected, and to be warned about, would be by now.
    for (let i = 0; i < 5; i++) await collect();
    assert.equal(warnings.length, 2);
    for (const key of [forgotten, watched]) {
      const start = `crosslock: the guard of lock "${key}" (the sync task) was garbage-collected without release()`;
      assert.ok(
        warnings.some((warning) => warning.startsWith(start)),
        warnings.join(),
      );
      assert.equal(await locks.tryLock(key), null);
    }
  }

  test('a guard that is collected is warned about, whatever became of the clock meanwhile', async () => {
    const locks = new MemoryLockManager();
    const keys = [freshKey('faked'), freshKey('real')];
    await (async () => {
      const clock = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] });
      await locks.lock(keys[0], { timeout: 0 });
      assert.equal(clock.countTimers(), 0);
      clock.uninstall();
      await locks.lock(keys[1], { timeout: 0 });
    })();
    for (let turns = 0; turns < 200 && warnings.length < keys.length; turns++) {
      await setImmediate();
      collectGarbage();
    }
    for (const key of keys)
      assert.ok(
        warnings.some((warning) => warning.includes(`"${key}"`)),
        warnings.join(),
      );
  });

  test('a hold that exceeds warnAfter warns with its key', async () => {
    const locks = new MemoryLockManager({ warnAfter: 20 });
    const [short, long] = [freshKey('short'), freshKey('long')];
    await (await locks.lock(short, { timeout: 0 })).release();
    const guard = await locks.lock(long, { timeout: 0 });
    await Promise.all([warned.promise, new Promise((resolve) => setTimeout(resolve, 20))]);
    assert.deepEqual(warnings, [`crosslock: lock "${long}" has been held for more than 20 ms`]);
    await guard.release();
  });

  test('a warnAfter beyond what timers can count does not warn at once', async () => {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      const guard = await new MemoryLockManager({ warnAfter: 2 ** 31 }).tryLock('k');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await guard.release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'done\n', stderr: '' });
    for (const warnAfter of [NaN, -1, '5']) assert.throws(() => new MemoryLockManager({ warnAfter }), TypeError);
  });
});
