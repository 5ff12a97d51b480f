// The back/forward cache: a page that comes back from it has lost its locks, and knows. Firefox keeps no page that
// holds a lock or waits for one: it is loaded again. Either way it holds up nobody while it is away.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, engine, hold, inBrowser, load, release, untilPending } from './support.mjs';

const keepsPagesWithLocks = engine !== 'firefox';

describe('back/forward cache', { timeout: 120_000 }, () => {
  const { tab } = browserTests({ backForwardCache: true });

  /** The page is left for another, and will know whether it comes back from the cache. */
  async function leave(page) {
    await page.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => (globalThis.cameBack = persisted));
    });
    await page.goto(page.url().replace('/blank', '/other'));
  }

  /** Goes back to the page, and checks whether it comes from the cache. */
  async function comeBack(page, isKept) {
    // There is no `load` event where the page was never unloaded.
    await page.goBack({ waitUntil: 'commit' });
    assert.equal(await page.evaluate(() => globalThis.cameBack ?? false), isKept, 'whether it came from the cache');
    if (!isKept) await load(page);
  }

  test('a page that has used locks, and holds none, is kept, and can use them again', async () => {
    const [page, other] = [await tab(), await tab()];
    await hold(page, 'k');
    await release(page);
    await leave(page);
    await hold(other, 'k');
    await comeBack(page, true);
    assert.equal(await page.evaluate(() => locks.tryLock('k')), null);
    const granted = hold(page, 'k');
    await untilPending(other, 'k', 1);
    await release(other);
    await granted;
    assert.equal(await page.evaluate(() => guard.lost.aborted), false);
  });

  test('a page that comes back finds its lock lost, and others have it meanwhile', async () => {
    const [page, other] = [await tab(), await tab()];
    await hold(page, 'k');
    await leave(page);
    await hold(other, 'k', { timeout: 10_000 });
    await comeBack(page, keepsPagesWithLocks);
    if (!keepsPagesWithLocks) return;
    assert.deepEqual(await page.evaluate(() => [guard.lost.aborted, guard.lost.reason.code]), [true, 'LOST']);
    await release(page);
    assert.deepEqual(await inBrowser(other, 'k'), { held: 1, pending: 0 });
    assert.equal(await page.evaluate(() => locks.tryLock('k')), null);
    await release(other);
    await hold(page, 'k');
    assert.equal(await page.evaluate(() => guard.lost.aborted), false);
  });

  test('the waits of a page that comes back have ended, and held up nobody meanwhile', async () => {
    const [page, other] = [await tab(), await tab()];
    await hold(other, 'theirs');
    await hold(page, 'ours');
    await page.evaluate(() => {
      globalThis.granted = [];
      globalThis.waits = ['theirs', 'theirs', 'ours', 'ours'].map((key) =>
        locks.lock(key, { timeout: 60_000 }).then(
          () => granted.push(key),
          ({ code, message }) => ({ code, message }),
        ),
      );
    });
    for (const key of ['theirs', 'ours']) await untilPending(other, key, 1);
    await leave(page);
    await hold(other, 'ours', { timeout: 10_000 });
    await release(other);
    assert.deepEqual(await inBrowser(other, 'theirs'), { held: 1, pending: 0 });
    await comeBack(page, keepsPagesWithLocks);
    if (!keepsPagesWithLocks) return;
    for (const { code, message } of await page.evaluate(() => Promise.all(waits))) {
      assert.equal(code, 'LOST');
      assert.match(message, /the page went into the back\/forward cache/);
    }
    assert.deepEqual(await page.evaluate(() => globalThis.granted), []);
    // And it has a queue of its own again.
    await hold(page, 'ours');
    await page.evaluate(() => {
      globalThis.waits = [1, 2].map((i) => locks.request('ours', { timeout: 10_000 }, () => i));
      void guard.release();
    });
    assert.deepEqual(await page.evaluate(() => Promise.all(waits)), [1, 2]);
    assert.deepEqual(await inBrowser(other, 'ours'), { held: 0, pending: 0 });
  });
});
