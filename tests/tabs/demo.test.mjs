// The demo's wallet: four tabs that pay at once.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { demoTests, payFromEveryTab, payUnderLock } from './demo-support.mjs';

/** What is in the database, whatever the page says. */
const books = (page) =>
  page.evaluate(async () => {
    const opened = indexedDB.open('crosslock-demo');
    const result = (request) =>
      new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
    const database = await result(opened);
    const stores = database.transaction(['wallet', 'payments']);
    const [balance, payments] = await Promise.all([
      result(stores.objectStore('wallet').get('balance')),
      result(stores.objectStore('payments').getAll()),
    ]);
    database.close();
    return { balance, paid: payments.reduce((sum, { amount }) => sum + amount, 0) };
  });

describe("the demo's wallet", { timeout: 600_000 }, () => {
  const { open, tab } = demoTests();

  test('over many rounds, money is spent twice without locks and never with them', async (t) => {
    const pages = [await open(), await open(), await open(), await open()];
    const lost = { false: [], true: [] };
    for (let round = 0; round < 24; round++) {
      const page = pages[round % 4];
      const locked = round % 8 >= 4;
      await payUnderLock(page, locked);
      lost[locked].push((await payFromEveryTab(page)).lost);
    }
    t.diagnostic(`lost without locks: ${lost.false}`);
    assert.deepEqual(lost.true, Array(12).fill(0));
    // Not each single one must be lost: it is a race.
    const total = lost.false.reduce((sum, amount) => sum + amount);
    assert.ok(total >= 12_000, lost.false.join());
    const { balance, paid } = await books(pages[0]);
    assert.equal(paid, 24 * 4 * 1000);
    assert.equal(balance + paid - 100_000, total);
  });

  test('under the lock, the last round is drawn one after the other', async () => {
    const pages = [await open(), await open(), await open()];
    await payUnderLock(pages[0], true);
    await payFromEveryTab(pages[0]);
    // In the tab that paid and in the others alike.
    for (const page of pages) {
      const lanes = await page.$$eval('#race .lane', (lanes) => lanes.map(({ dataset }) => ({ ...dataset })));
      assert.deepEqual(
        lanes.map(({ read }) => read),
        ['100000', '99000', '98000'],
      );
      assert.deepEqual(
        lanes.map(({ wrote }) => wrote),
        ['99000', '98000', '97000'],
      );
      const bars = await page.$$eval('#race .holds', (bars) =>
        bars.map((bar) => bar.getBoundingClientRect()).map(({ left, right }) => ({ left, right })),
      );
      // A bar is wide enough to be seen, if only by a pixel or two.
      for (const [i, { left }] of bars.slice(1).entries()) assert.ok(left > bars[i].right - 3, JSON.stringify(bars));
    }
  });

  test('who has not enough money does not pay', async () => {
    const page = await open();
    await page.evaluate(async () => {
      const { StoredWallet } = await import('/wallet.js');
      const wallet = await StoredWallet.open();
      await wallet.send({ amount: 99_500, signature: new ArrayBuffer(0) }, 500);
    });
    await payUnderLock(page, true);
    const { lost, text } = await payFromEveryTab(page);
    assert.equal(lost, 0);
    assert.match(text, /0 payments sent.*1 not made: not enough money/);
    await page.click('#refill');
    await page.waitForFunction(() => document.querySelector('#balance').textContent === '100,000');
    assert.match((await payFromEveryTab(page)).text, /1 payment sent/);
  });

  test('where there are no locks it says why', async () => {
    const page = await tab('/', { host: 'insecure.test' });
    await page.waitForSelector('#status:not([hidden])');
    assert.match(await page.textContent('#status'), /secure contexts only/);
    for (const id of ['#pay', '#add', '#key']) assert.ok(await page.isDisabled(id), id);
  });
});
