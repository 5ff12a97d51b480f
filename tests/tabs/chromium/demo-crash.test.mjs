// The demo, when one of its tabs crashes.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { act, boardShows, demoTests, logged, nameOf, payFromEveryTab, payUnderLock, says, timelineShows } from '../demo-support.mjs';
import { crash } from './crash.mjs';

const KEY = 'wallet.balance';

describe('the demo, when a tab crashes', { timeout: 120_000 }, () => {
  const { open } = demoTests();

  test('its lock goes to the next in the queue', async () => {
    const [holder, waiter, witness] = [await open(), await open(), await open()];
    const names = await Promise.all([holder, waiter].map(nameOf));
    await act(holder, 'hold');
    await boardShows(waiter, KEY, [names[0]]);
    await act(waiter, 'hold');
    await boardShows(witness, KEY, [names[0]], [names[1]]);
    await crash(holder);
    await boardShows(witness, KEY, [names[1]]);
    await says(waiter, 'Holds', '.state');
    await logged(witness, names[0], `is gone, and held ${KEY}: the browser freed it`);
    await timelineShows(witness, names[0], '.mark[data-state=gone]');
    // The name is free again.
    assert.equal(await nameOf(await open()), names[0]);
  });

  test('a round ends, and nothing is lost, when a tab crashes in it', async () => {
    const [holder, ...others] = [await open(), await open(), await open()];
    const names = await Promise.all(others.map(nameOf));
    await payUnderLock(others[0], true);
    await act(holder, 'hold');
    const held = await nameOf(holder);
    await boardShows(others[0], KEY, [held]);
    const paid = payFromEveryTab(others[0]);
    await others[1].waitForFunction((names) => names.every((name) => document.querySelector(`#board .queue [data-tab="${name}"]`)), names);
    await crash(holder);
    const { lost, text } = await paid;
    assert.equal(lost, 0);
    assert.match(text, /2 payments sent, 2,000 sats/);
  });
});
