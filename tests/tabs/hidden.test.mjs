// A hidden tab: its timers come up to a second late in Chromium and Firefox, and nobody in it may lose his
// place among the tabs by that. (WebKitGTK does not throttle them, so there the same is asked of its events.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, known, release, untilPending } from './support.mjs';

describe('a hidden tab', { timeout: 120_000 }, () => {
  const { tab, answer } = browserTests({ hides: true });

  /**
   * Asks in the page; with `beside`, as soon as the page has the lock itself, as `guard`: when those who wait in
   * line are not the browser's yet in a page that is seen. Who is granted the lock says so to `/granted`, and
   * keeps it for too long to hand it on.
   */
  const ask = (page, name, { beside = false } = {}) =>
    page.evaluate(
      async ([name, beside]) => {
        const task = async () => {
          await fetch(`/granted?${name}`);
          const end = performance.now() + 20;
          while (performance.now() < end);
        };
        if (beside) globalThis.guard = await locks.lock('k', { timeout: 30_000 });
        globalThis.waits ??= [];
        waits.push(locks.request('k', { timeout: 60_000 }, task).then(() => {}));
      },
      [name, beside],
    );

  for (const when of ['before its first lock', 'after its first lock']) {
    test(`one that is hidden ${when} is not overtaken by a tab that asks later`, async () => {
      const inWindow = true;
      const [hidden, other] = [await tab(undefined, { inWindow }), await tab(undefined, { inWindow })];
      const order = [];
      answer('/granted', (request, response) => {
        order.push(request.url.split('?')[1]);
        response.end();
      });
      if (when === 'after its first lock') {
        await hold(hidden, 'k');
        await release(hidden);
      }
      await hidden.hide();
      // More than once: a throttled timer comes soon now and then.
      for (let round = 0; round < 3; round++) {
        order.splice(0);
        await ask(hidden, 'first', { beside: true });
        await untilPending(hidden, 'k', 1);
        await ask(other, 'second');
        await untilPending(other, 'k', 2);
        await ask(hidden, 'third');
        await untilPending(hidden, 'k', 3);
        assert.equal(await hidden.evaluate(() => document.visibilityState), 'hidden');
        assert.equal(await other.evaluate(() => document.visibilityState), 'visible');
        await release(hidden);
        for (const page of [hidden, other]) await page.evaluate(() => Promise.all(waits));
        assert.deepEqual(order, ['first', 'second', 'third']);
      }
      assert.deepEqual(await known(other, 'k'), { held: 0, pending: 0 });
    });
  }
});
