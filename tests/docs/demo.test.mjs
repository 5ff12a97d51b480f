// What the demo has beside its tabs: the holder that was cut off, and the processes of `npm start -- --with-node`.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { args, executablePath } from '../../tools/chromium.mjs';
import { startProcesses } from '../../tools/demo-processes.mjs';
import { site } from '../../tools/site.mjs';

describe('beside the tabs', { timeout: 300_000 }, () => {
  let server, browser, processes, address;

  before(async () => {
    processes = await startProcesses();
    server = createServer(site({ processes }));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://localhost:${server.address().port}`;
    browser = await chromium.launch({ executablePath, args });
  });

  after(async () => {
    await browser?.close();
    processes?.close();
    server?.close();
    server?.closeAllConnections();
  });

  async function open(options = {}) {
    const page = await browser.newPage(options);
    await page.goto(`${address}/?frames=0`);
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    return page;
  }

  test('Node and a native process exclude each other, and the kernel frees what a killed one had', async () => {
    const page = await open();
    const act = (name, action) => page.click(`[data-process=${name}] [data-do=${action}]`);
    const becomes = (name, state) => page.waitForSelector(`[data-process=${name}] .state[data-state=${state}]`);
    const trace = (name) => page.$$eval(`#trace [data-of=${name}]`, (lines) => lines.map(({ textContent }) => textContent).join('\n'));

    await act('node', 'start');
    await becomes('node', 'holds');
    const [, pid] = /started, PID (\d+)/.exec(await trace('node'));
    await act('native', 'start');
    await becomes('native', 'refused');
    assert.match(await trace('native'), new RegExp(`holder PID: ${pid}`));

    await act('node', 'kill');
    await becomes('node', 'stopped');
    assert.match(await trace('node'), /killed by SIGKILL/);
    await page.waitForFunction(() => /ended with code 75/.test(document.querySelector('#trace').textContent));
    await act('native', 'start');
    await becomes('native', 'holds');
    await act('node', 'start');
    await becomes('node', 'refused');
    await act('native', 'end');
    await becomes('native', 'stopped');
    await page.close();
  });

  test('the spans of a program show who waits for whom', async () => {
    const page = await open();
    await page.click('[data-process=spans] [data-do=start]');
    await page.waitForFunction(() => /spans: ended with code 0/.test(document.querySelector('#trace').textContent));
    const lines = await page.$$eval('#trace [data-of=spans]', (lines) => lines.map(({ textContent }) => textContent));
    for (const task of ['alice', 'bob']) {
      const of = (what) => lines.some((line) => line.includes(`pay{task="${task}"}:lock{key="account.`) && line.includes(`: ${what}`));
      for (const what of ['asked', 'granted', 'released']) assert.ok(of(what), `${task} ${what}`);
    }
    const circle = lines.find((line) => line.includes(': deadlock'));
    assert.match(circle, /waits for .* behind bob.*, bob waits for .* behind alice|behind alice.*, alice waits for .* behind bob/);
    await page.close();
  });

  test('no other site can start or kill them', async () => {
    const answer = await fetch(`${address}/processes/node/start`, { method: 'POST' });
    assert.equal(answer.status, 403);
  });

  test('the holder that was cut off is refused in the last of five steps', async () => {
    const page = await open({ reducedMotion: 'reduce' });
    const current = () => page.$eval('#fencing-steps [aria-current=step]', ({ textContent }) => textContent);
    await page.click('#fencing-next');
    assert.match(await current(), /A is granted payments, with token 33/);
    assert.equal(await page.textContent('#newest'), '33');
    for (let step = 0; step < 4; step++) await page.click('#fencing-next');
    assert.match(await current(), /Refused/);
    assert.equal(await page.textContent('#newest'), '34');
    await page.click('#fencing-next');
    assert.match(await current(), /A is granted/);
    // Played, it goes on by itself.
    await page.click('#fencing-play');
    await page.waitForSelector('#fencing[data-step="3"]');
    await page.click('#fencing-play');
    assert.equal(await page.textContent('#fencing-play'), 'Play');
    await page.close();
  });
});
