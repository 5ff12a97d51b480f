// The demo as a page: in one window, by keyboard, on a phone, in the dark, at another address.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sirv from 'sirv';
import { root } from '../../../tools/run.mjs';
import { writeSite } from '../../../tools/site.mjs';
import {
  act,
  boardShows,
  broken,
  demoTests,
  logged,
  nameOf,
  payFromEveryTab,
  payUnderLock,
  ready,
  says,
  timelineShows,
} from '../demo-support.mjs';

const KEY = 'wallet.balance';
const axe = join(root, 'node_modules/axe-core/axe.min.js');
const screenshots = join(root, 'target/screenshots');
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

const frameOf = async (page, name) => {
  for (const frame of page.frames().slice(1)) if ((await nameOf(frame)) === name) return frame;
  throw new Error(`no frame has the name ${name}`);
};

/** Brings the page into a state in which there is something of everything to see. */
async function stage(page) {
  await payFromEveryTab(page);
  const [amber, teal, plum, sky] = ['amber', 'teal', 'plum', 'sky'];
  const frames = Object.fromEntries(await Promise.all([teal, plum, sky].map(async (name) => [name, await frameOf(page, name)])));
  await act(page, 'hold');
  await boardShows(page, KEY, [amber]);
  await act(frames.sky, 'wait');
  await boardShows(page, KEY, [amber], [sky]);
  await act(frames.teal, 'hold');
  await boardShows(page, KEY, [amber], [sky, teal]);
  await says(frames.sky, 'timed out');
  await act(page, 'hold');
  await boardShows(page, KEY, [teal]);
  await act(frames.plum, 'hold');
  await boardShows(page, KEY, [teal], [plum]);
  await act(frames.sky, 'steal');
  await says(frames.teal, 'it was stolen');
  await act(page, 'hold');
  await boardShows(page, KEY, [sky], [plum, amber]);
  await timelineShows(page, teal, '.mark[data-state=lost]');
}

describe('the demo as a page', { timeout: 180_000 }, () => {
  const { open, tab, requested } = demoTests();

  test('four tabs in one window: money is spent twice without locks, and not with them', async () => {
    const page = await open({ frames: 3 });
    let lost = 0;
    for (let round = 0; round < 5; round++) lost += (await payFromEveryTab(page)).lost;
    assert.ok(lost >= 5_000, `${lost}`);
    await payUnderLock(page, true);
    for (let round = 0; round < 5; round++) {
      const { lost, text } = await payFromEveryTab(page);
      assert.equal(lost, 0);
      assert.match(text, /4 payments sent, 4,000 sats/);
    }
  });

  test('a frame that is killed while it holds passes its lock on', async () => {
    const page = await open({ frames: 3 });
    const [teal, plum] = await Promise.all(['teal', 'plum'].map((name) => frameOf(page, name)));
    await act(teal, 'hold');
    await boardShows(page, KEY, ['teal']);
    await act(plum, 'hold');
    await boardShows(page, KEY, ['teal'], ['plum']);
    await act(teal, 'close');
    await boardShows(page, KEY, ['plum']);
    await logged(page, 'teal', 'is gone');
    await ready(page, 2);
    await page.click('#add');
    await ready(page, 3);
    await frameOf(page, 'teal');
  });

  test('a window has four tabs unless it is told otherwise, and opens real ones with one', async () => {
    const page = await tab('/');
    await ready(page, 3);
    const [real] = await Promise.all([page.context().waitForEvent('page'), page.click('#another')]);
    await ready(real, 0);
    await page.waitForFunction(() => document.querySelector('#count').textContent === '5 tabs are open.');
    // It was opened by a link, so it may close itself.
    const closed = real.waitForEvent('close');
    await act(real, 'close').catch(() => {}); // it may be gone before the click is done
    await closed;
    await page.waitForFunction(() => document.querySelector('#count').textContent === '4 tabs are open.');
  });

  test('everything can be done by keyboard', async () => {
    const page = await open({ frames: 1 });
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.action);
    const inFrame = () => page.frames()[1].evaluate(() => document.hasFocus() && document.activeElement.dataset.action);
    const tabTo = async (what, where = focused) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        if ((await where()) === what) return;
      }
      assert.fail(`${what} cannot be reached`);
    };
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    await tabTo('locked');
    await page.keyboard.press('Space');
    assert.ok(await page.isChecked('#locked'));
    await tabTo('pay');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#result[data-lost="0"]');
    assert.equal(await focused(), 'pay', 'the focus stays');
    await tabTo('hold');
    await page.keyboard.press('Enter');
    await boardShows(page, KEY, ['amber']);
    await tabTo('hold', inFrame);
    await page.keyboard.press('Enter');
    await boardShows(page, KEY, ['amber'], ['teal']);
    assert.equal(await inFrame(), 'hold', 'the focus stays');
    await tabTo('close', inFrame);
    await page.keyboard.press('Enter');
    await ready(page, 0);
    await boardShows(page, KEY, ['amber']);
    assert.notEqual(await page.evaluate(() => document.activeElement.tagName), 'BODY', 'the focus goes on beside it');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, 'none', 'the focus can be seen');
  });

  test('the code beside a button is that of the button, and of a file that is compiled', async () => {
    const page = await open({ frames: 1 });
    const code = (place) => page.$$eval(`${place} pre`, (all) => all.filter((pre) => pre.checkVisibility()).map((pre) => pre.textContent));
    const source = {
      typescript: readFileSync(join(root, 'www/actions.ts'), 'utf8'),
      rust: readFileSync(join(root, 'examples/race.rs'), 'utf8'),
    };
    const sourceOf = async (place, language) => {
      const [text, ...more] = await code(place);
      assert.deepEqual(more, []);
      // It has lost its margin.
      const squeezed = (text) => text.replaceAll(/\s+/g, ' ').trim();
      assert.ok(squeezed(source[language]).includes(squeezed(text)), text);
      return text;
    };
    assert.doesNotMatch(await sourceOf('.problem .code', 'typescript'), /locks\./);
    await payUnderLock(page, true);
    assert.match(await sourceOf('.problem .code', 'typescript'), /locks\.lock\(/);

    const buttons = { hold: 'timeout: Infinity', wait: 'TIMED_OUT', try: 'tryLock', steal: 'steal: true' };
    for (const [action, expected] of Object.entries(buttons)) {
      await act(page.frames()[1], action);
      await page.waitForSelector(`[data-code-of=${action}]:not([hidden])`);
      assert.ok((await sourceOf('[data-code-of]', 'typescript')).includes(expected), action);
    }
    await page.check('input[value=query]', { force: true });
    assert.match(await sourceOf('[data-code-of]', 'typescript'), /locks\.query\(\)/);

    await page.click('.problem [data-choose=rust]');
    assert.match(await sourceOf('.problem .code', 'rust'), /ensure_held/);
    assert.match(await sourceOf('[data-code-of]', 'rust'), /locks\.query\(\)\.await/);
    await page.reload();
    await ready(page, 1);
    assert.match(await sourceOf('.problem .code', 'rust'), /ensure_held/);
  });

  test('it works below another address, from files alone', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'crosslock-site-'));
    t.after(() => rmSync(folder, { recursive: true }));
    await writeSite(folder);
    const serve = sirv(folder);
    const server = createServer((request, response) => {
      const [, below] = request.url.match(/^\/docs\/demo(\/.*)$/) ?? [];
      if (!below) return response.writeHead(404).end();
      request.url = below;
      serve(request, response, () => response.writeHead(404).end());
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const address = `http://localhost:${server.address().port}/docs/demo/`;
    requested.length = 0;
    const page = await open({ frames: 2, path: address });
    assert.match((await payFromEveryTab(page)).text, /3 payments sent/);
    const urls = requested.filter((url) => !url.endsWith('/blank') && !url.startsWith('data:'));
    assert.ok(urls.some((url) => url.endsWith('/crosslock/index.js')));
    assert.deepEqual(
      urls.filter((url) => !url.startsWith(address)),
      [],
    );
    await page.close();
    server.closeAllConnections();
  });

  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${size}, ${colorScheme}: it has no fault that axe finds, and fits its width`, async () => {
        const page = await open({ frames: 3 });
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await stage(page);
        mkdirSync(screenshots, { recursive: true });
        await page.screenshot({ path: join(screenshots, `demo-${size}-${colorScheme}.png`), fullPage: true });
        const end = await page.$eval('.problem', (panel) => Math.ceil(panel.getBoundingClientRect().bottom + scrollY) + 16);
        const clip = { x: 0, y: 0, width: viewport.width, height: end };
        await page.screenshot({
          path: join(screenshots, `top-${size}-${colorScheme}.png`),
          fullPage: true,
          clip,
        });

        const width = () => page.evaluate(() => document.scrollingElement.scrollWidth);
        assert.equal(await width(), viewport.width);
        for (const frame of page.frames()) {
          await frame.addScriptTag({ path: axe });
          const faults = await frame.evaluate(async () => {
            // The frames are looked at one by one; their content is no part of the page that has them.
            const { violations } = await axe.run({
              iframes: false,
              rules: { region: { enabled: true }, 'color-contrast': { enabled: true } },
            });
            return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
          });
          assert.deepEqual(faults, []);
          // A text that is too long for its button is as bad: it would be under the next.
          assert.deepEqual(await broken(frame, '.tab button'), []);
          const overflowing = (buttons) =>
            buttons.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ textContent }) => textContent);
          assert.deepEqual(await frame.$$eval('.tab button', overflowing), []);
        }
        await page.setViewportSize({ width: 320, height: 640 });
        assert.equal(await width(), 320);
      });
    }
  }

  test('nothing glides for those who want no motion', async () => {
    const page = await open();
    const durations = () => page.$$eval('button', (buttons) => buttons.map((button) => getComputedStyle(button).transitionDuration));
    assert.ok((await durations()).some((duration) => duration !== '0s'));
    await page.emulateMedia({ reducedMotion: 'reduce' });
    assert.ok((await durations()).every((duration) => duration === '0s'));
  });
});
