// The demo, used as a person would: two tabs side by side.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests } from './support.mjs';

describe('demo', { timeout: 120_000 }, () => {
  const { tab } = browserTests();
  const open = async (options) => {
    const page = await tab('/', options);
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    return page;
  };

  /** Waits until the tab's own list, or the table of all tabs, shows just this. */
  const shows = (page, selector, states) =>
    page.waitForFunction(
      ([selector, states]) => [...document.querySelectorAll(selector)].map(({ dataset }) => dataset.state).join() === states.join(),
      [selector, states],
    );
  const mine = (page, ...states) => shows(page, '#mine li', states);
  const all = (page, ...states) => shows(page, '#all tbody tr', states);
  const take = async (page, key, { mode = 'exclusive', patience = 'forever', timeout, button = '#take-button' } = {}) => {
    await page.fill('#key', key);
    await page.selectOption('#mode', mode);
    await page.selectOption('#patience', patience);
    if (timeout !== undefined) await page.fill('#timeout', timeout);
    await page.click(button);
  };
  const logged = (page, text) => page.waitForSelector(`#log li:has-text(${JSON.stringify(text)})`);

  test('one tab waits visibly for the other, and gets the lock when it is released', async () => {
    const [one, two] = [await open(), await open()];
    const names = await Promise.all([one, two].map((page) => page.textContent('#tab-name')));
    assert.notEqual(names[0], names[1]);

    await take(one, 'round.7');
    await mine(one, 'held');
    await take(two, 'round.7');
    await mine(two, 'waiting');
    for (const page of [one, two]) {
      await all(page, 'held', 'waiting');
      const tabs = await page.$$eval('#all tbody tr', (rows) => rows.map(({ dataset }) => dataset.tab));
      assert.deepEqual(tabs, names);
    }
    await one.click('#mine [data-action=release]');
    await mine(two, 'held');
    await mine(one);
    await all(one, 'held');
    await one.close();
    await two.click('#mine [data-action=release]');
    await all(two);
  });

  test('a wait can be cancelled, times out, or is not begun', async () => {
    const [one, two] = [await open(), await open()];
    await take(one, 'k');
    await mine(one, 'held');
    await take(two, 'k');
    await mine(two, 'waiting');
    await two.click('#mine [data-action=cancel]');
    await mine(two);
    await logged(two, 'no longer waiting');
    await take(two, 'k', { patience: 'try' });
    await logged(two, 'held by someone else');
    await take(two, 'k', { patience: 'timeout', timeout: '0.05' });
    await logged(two, 'timed out acquiring lock');
    await take(two, '_bad');
    await logged(two, 'invalid lock key');
    await mine(two);
    await all(two, 'held');
  });

  test('a stolen lock is shown as lost', async () => {
    const [one, two] = [await open(), await open()];
    await take(one, 'k', { mode: 'shared' });
    await mine(one, 'held');
    await take(two, 'k', { button: '#steal-button' });
    await mine(two, 'held');
    await mine(one, 'lost');
    await logged(one, 'it was stolen');
    await one.click('#mine [data-action=release]');
    await mine(one);
    await two.click('#mine [data-action=release]');
    await all(two);
  });

  test('a tab that is closed is gone from the other one', async () => {
    const [one, two] = [await open(), await open()];
    await take(one, 'k');
    await take(two, 'k');
    await mine(two, 'waiting');
    await one.close();
    await mine(two, 'held');
    await all(two, 'held');
  });

  test('where there are no locks it says why', async () => {
    const page = await tab('/', { host: 'insecure.test' });
    await page.waitForSelector('#status:not([hidden])');
    assert.match(await page.textContent('#status'), /secure contexts only/);
    assert.ok(await page.isDisabled('#take-button'));
  });
});
