// Waits in a browser: how long, and what is left of those that were given up.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, failure, hold, inBrowser, release, untilPending } from './support.mjs';

describe('waiting', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  test('a wait that is aborted, or times out, leaves nothing in navigator.locks', async () => {
    const [holder, waiter] = [await tab(), await tab()];
    await hold(holder, 'k');
    const reason = waiter.evaluate(() => {
      globalThis.controller = new AbortController();
      return locks.lock('k', { timeout: Infinity, signal: controller.signal }).catch((reason) => reason);
    });
    await untilPending(holder, 'k', 1);
    await waiter.evaluate(() => controller.abort('enough'));
    assert.equal(await reason, 'enough');
    assert.deepEqual(await inBrowser(waiter, 'k'), { held: 1, pending: 0 });

    const { code, message, milliseconds } = await failure(waiter, "locks.lock('k', { timeout: 40 })");
    assert.equal(code, 'TIMED_OUT');
    assert.match(message, /^timed out acquiring lock "k" after 40ms: held by client /);
    assert.ok(milliseconds >= 39, `${milliseconds}`);
    assert.deepEqual(await inBrowser(waiter, 'k'), { held: 1, pending: 0 });
    await release(holder);
    assert.deepEqual(await inBrowser(waiter, 'k'), { held: 0, pending: 0 });
  });

  test('a timeout beyond what timers can count waits, rather than fire at once', async () => {
    const [holder, waiter] = [await tab(), await tab()];
    await hold(holder, 'k');
    await waiter.evaluate(() => {
      globalThis.settled = [];
      globalThis.waits = [2 ** 31, 2 ** 45, Infinity].map((timeout) =>
        locks.lock('k', { timeout }).then(
          (guard) => (settled.push(timeout), guard.release()),
          (error) => settled.push(error.code),
        ),
      );
    });
    await untilPending(waiter, 'k', 3);
    assert.equal((await failure(waiter, "locks.lock('k', { timeout: 60 })")).code, 'TIMED_OUT');
    assert.deepEqual(await waiter.evaluate(() => settled), []);
    await release(holder);
    await waiter.evaluate(() => Promise.all(waits));
    assert.deepEqual(await waiter.evaluate(() => settled), [2 ** 31, 2 ** 45, Infinity]);
  });

  test('a timeout of 0 tries once', async () => {
    const page = await tab();
    await hold(page, 'k', { timeout: 0 });
    assert.equal((await failure(page, "locks.lock('k', { timeout: 0 })")).code, 'TIMED_OUT');
    await release(page);
  });
});
