// The demo's buttons, board and timeline: who has a lock, who waits, and what becomes of both.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { act, boardShows, demoTests, logged, nameOf, says, timelineShows } from './demo-support.mjs';
import { engine } from './support.mjs';

const KEY = 'wallet.balance';

describe("the demo's locks", { timeout: 600_000 }, () => {
  const { open } = demoTests();
  const openAll = async (count) => {
    const pages = [];
    for (let i = 0; i < count; i++) pages.push(await open());
    return { pages, names: await Promise.all(pages.map(nameOf)) };
  };

  test('every tab sees who holds, for how long, and who waits in which order', async () => {
    const { pages, names } = await openAll(4);
    assert.equal(new Set(names).size, 4);
    const [a, b, c, d] = names;
    await act(pages[0], 'hold');
    await boardShows(pages[0], KEY, [a]);
    // Not in the order of their names.
    for (const [i, queue] of [
      [2, [c]],
      [1, [c, b]],
      [3, [c, b, d]],
    ]) {
      await act(pages[i], 'hold');
      await boardShows(pages[i], KEY, [a], queue);
    }
    for (const page of pages) {
      await boardShows(page, KEY, [a], [c, b, d]);
      const times = await page.$$eval('#board time', (times) => times.map(({ textContent }) => textContent));
      assert.equal(times.length, 4);
      for (const time of times) assert.match(time, /^\d+\.\d s$/);
    }
    await act(pages[0], 'hold');
    await says(pages[2], 'Holds', '.state');
    for (const page of pages) {
      await boardShows(page, KEY, [c], [b, d]);
      await logged(page, a, `released ${KEY} after`);
      await logged(page, c, `got ${KEY} after`);
      await timelineShows(page, a, '.holds[data-state=released]');
      await timelineShows(page, c, '.waits + .holds[data-state=held]');
      await timelineShows(page, b, '.waits[data-state=pending]');
    }
    // A tab that comes late learns of what is.
    await boardShows(await open(), KEY, [c], [b, d]);
  });

  test('a tab that queues twice stands in the queue twice', async () => {
    const { pages, names } = await openAll(2);
    await act(pages[0], 'hold');
    await boardShows(pages[1], KEY, [names[0]]);
    await act(pages[1], 'hold');
    await act(pages[1], 'wait');
    await boardShows(pages[0], KEY, [names[0]], [names[1], names[1]]);
  });

  test('shared locks are held together', async () => {
    const { pages, names } = await openAll(3);
    await pages[0].selectOption('#mode', 'shared');
    await act(pages[0], 'hold');
    await boardShows(pages[0], KEY, [names[0]]);
    await act(pages[1], 'hold');
    await boardShows(pages[0], KEY, names.slice(0, 2));
    await pages[2].selectOption('#mode', 'exclusive');
    await act(pages[2], 'hold');
    await boardShows(pages[0], KEY, names.slice(0, 2), [names[2]]);
  });

  test('a wait times out, is cancelled, or is not begun, and each is told', async () => {
    const { pages, names } = await openAll(2);
    const [one, two] = pages;
    await act(one, 'hold');
    await boardShows(two, KEY, [names[0]]);

    await act(two, 'wait');
    await boardShows(two, KEY, [names[0]], [names[1]]);
    // By the name of the tab, not by the browser's id.
    await says(two, `timed out acquiring lock "${KEY}" after 2s: held by tab ${names[0]}`);
    await boardShows(one, KEY, [names[0]]);
    await logged(one, names[1], 'timed out');
    await timelineShows(one, names[1], '.mark[data-state="timed out"]');

    await act(two, 'hold');
    await boardShows(two, KEY, [names[0]], [names[1]]);
    await act(two, 'hold'); // "Cancel"
    await says(two, 'no longer waiting');
    await boardShows(one, KEY, [names[0]]);
    await logged(one, names[1], 'no longer waits');

    await act(two, 'try');
    await says(two, `${KEY} is held by someone else`);
    await logged(one, names[1], 'did not wait');

    await two.fill('#key', '_bad');
    await act(two, 'hold');
    await says(two, 'invalid lock key');
    await boardShows(two, KEY, [names[0]]);
  });

  test('the victim of a steal is told, and can start again', async () => {
    const { pages, names } = await openAll(2);
    const [victim, thief] = pages;
    await act(victim, 'hold');
    await boardShows(thief, KEY, [names[0]]);
    await act(thief, 'steal');
    await boardShows(thief, KEY, [names[1]]);
    await says(victim, 'it was stolen');
    await logged(thief, names[0], 'it was stolen, after');
    await timelineShows(thief, names[0], '.mark[data-state=lost]');

    await act(victim, 'hold');
    await boardShows(victim, KEY, [names[1]], [names[0]]);
    await act(thief, 'hold'); // "Release"
    await boardShows(victim, KEY, [names[0]]);
    // And the thief can be robbed in turn.
    await act(victim, 'hold');
    await act(thief, 'steal');
    await boardShows(thief, KEY, [names[1]]);
    await act(victim, 'steal');
    await says(thief, 'it was stolen');
    await boardShows(victim, KEY, [names[0]]);
  });

  test('a blocked tab keeps its lock, is seen to be blocked, and finds it stolen afterwards', async () => {
    const { pages, names } = await openAll(2);
    const [blocked, other] = pages;
    await act(blocked, 'hold');
    await boardShows(other, KEY, [names[0]]);
    await act(blocked, 'block');
    await other.bringToFront();
    await other.waitForSelector(`#board .holders [data-tab="${names[0]}"] .note:has-text("blocked")`);
    await timelineShows(other, names[0], '.blocked');
    await act(other, 'steal');
    await boardShows(other, KEY, [names[1]]);
    await says(blocked, 'it was stolen');
    await logged(other, names[0], 'it was stolen, after 4');
  });

  // WebKit keeps a page that goes elsewhere in the back/forward cache, so that it can still say why it lost its lock.
  const freed = [`is gone, and held ${KEY}: the browser freed it`, '.mark[data-state=gone]'];
  const cached = ['the page went into the back/forward cache', '.mark[data-state=lost]'];
  for (const [how, end, [words, mark]] of [
    ['is closed', (page) => page.close(), freed],
    ['goes elsewhere', (page) => page.goto('about:blank'), engine === 'webkit' ? cached : freed],
  ]) {
    test(`a tab that ${how} passes its lock on`, async () => {
      const { pages, names } = await openAll(3);
      const [holder, waiter, witness] = pages;
      await act(holder, 'hold');
      await boardShows(waiter, KEY, [names[0]]);
      await act(waiter, 'hold');
      await boardShows(witness, KEY, [names[0]], [names[1]]);
      await end(holder);
      await boardShows(witness, KEY, [names[1]]);
      await says(waiter, 'Holds', '.state');
      await logged(witness, names[0], words);
      await timelineShows(witness, names[0], mark);
      // The name is free again.
      assert.equal(await nameOf(await open()), names[0]);
    });
  }

  test('a reload keeps the name', async () => {
    const { pages, names } = await openAll(2);
    await pages[1].reload();
    await pages[1].waitForSelector('html[data-ready]', { state: 'attached' });
    assert.equal(await nameOf(pages[1]), names[1]);
  });
});
