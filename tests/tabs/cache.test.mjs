// The back/forward cache: a page that comes back from it has lost its locks, and knows.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, known, release } from './support.mjs';

describe('back/forward cache', { timeout: 120_000 }, () => {
  const { tab } = browserTests({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });

  test('a page that comes back finds its lock lost, and others have it meanwhile', async () => {
    const [page, other] = [await tab(), await tab()];
    await hold(page, 'k');
    await page.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => (globalThis.cameBack = persisted));
    });
    await page.goto(page.url().replace('/blank', '/other'));
    await hold(other, 'k', { timeout: 10_000 });
    // There is no `load` event: the page was never unloaded.
    await page.goBack({ waitUntil: 'commit' });
    assert.equal(await page.evaluate(() => globalThis.cameBack), true, 'it came from the cache');
    assert.deepEqual(await page.evaluate(() => [guard.lost.aborted, guard.lost.reason.code]), [true, 'LOST']);
    await release(page);
    assert.deepEqual(await known(other, 'k'), { held: 1, pending: 0 });
    assert.equal(await page.evaluate(() => locks.tryLock('k')), null);
    await release(other);
    await hold(page, 'k');
    assert.equal(await page.evaluate(() => guard.lost.aborted), false);
  });
});
