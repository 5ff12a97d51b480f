// Ends that only Chromium's protocol brings about: of a process, and of what nobody refers to.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, inBrowser, release, untilPending } from '../support.mjs';
import { crash } from './crash.mjs';

describe('lifetime, in Chromium', { timeout: 120_000 }, () => {
  const { tab, errors } = browserTests();

  test('a tab that is crashed frees its lock, and the tab that waits gets it', async () => {
    const [holder, waiter] = [await tab(), await tab()];
    await hold(holder, 'k');
    const granted = hold(waiter, 'k');
    await untilPending(waiter, 'k', 1);
    await crash(holder);
    await granted;
    await release(waiter);
    assert.deepEqual(await inBrowser(waiter, 'k'), { held: 0, pending: 0 });
  });

  test('a guard that is collected unreleased warns once with its key, and keeps its lock', async () => {
    const page = await tab();
    await page.evaluate(async () => {
      await locks.lock('forgotten', { timeout: 0 });
      await (await locks.lock('released', { timeout: 0 })).release();
    });
    while (errors.length === 0) await page.requestGC();
    for (let i = 0; i < 3; i++) await page.requestGC();
    assert.deepEqual(
      errors.splice(0).map(({ message }) => message.split(' without release()')[0]),
      ['console: crosslock: the guard of lock "forgotten" was garbage-collected'],
    );
    assert.equal(await page.evaluate(() => locks.tryLock('forgotten')), null);
  });
});
