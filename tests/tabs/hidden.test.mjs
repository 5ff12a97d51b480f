// A hidden tab: in Chromium and Firefox its timers come up to a second late, and its requests must not be
// overtaken by that. (WebKitGTK does not throttle them, so there the test is of its events alone.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, inBrowser, release, untilPending } from './support.mjs';

describe('a hidden tab', { timeout: 120_000 }, () => {
  const { tab, answer } = browserTests({ hides: true });

  /**
   * Makes a request in the page. With `beside`, the page first takes the lock itself, as `guard`: a visible page
   * would not queue the request with the browser at once then. A task that is granted the lock reports it to
   * `/granted`, and holds it for too long to hand it on.
   */
  const request = (page, name, { beside = false } = {}) =>
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
    test(`one that is hidden ${when} is not overtaken by a later request of another tab`, async () => {
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
      // Several rounds, because a throttled timer may happen to come soon.
      for (let round = 0; round < 3; round++) {
        order.splice(0);
        await request(hidden, 'first', { beside: true });
        await untilPending(hidden, 'k', 1);
        await request(other, 'second');
        await untilPending(other, 'k', 2);
        await request(hidden, 'third');
        await untilPending(hidden, 'k', 3);
        assert.equal(await hidden.evaluate(() => document.visibilityState), 'hidden');
        assert.equal(await other.evaluate(() => document.visibilityState), 'visible');
        await release(hidden);
        for (const page of [hidden, other]) await page.evaluate(() => Promise.all(waits));
        assert.deepEqual(order, ['first', 'second', 'third']);
      }
      assert.deepEqual(await inBrowser(other, 'k'), { held: 0, pending: 0 });
    });
  }
});
