// How the demo looks, as far as engines have differed in it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { broken, demoTests, payFromEveryTab } from './demo-support.mjs';

describe("the demo's layout", { timeout: 120_000 }, () => {
  const { open } = demoTests();

  test('at 1024 pixels, nothing in the wallet breaks that belongs into one line', async () => {
    const page = await open({ frames: 1 });
    await page.setViewportSize({ width: 1024, height: 768 });
    await payFromEveryTab(page);
    const tops = await page.$$eval('#pay, #refill', (buttons) => buttons.map((button) => button.getBoundingClientRect().top));
    assert.equal(tops[0], tops[1], 'the buttons are side by side');
    assert.equal(await page.$$eval('.stats dd, .wallet button', ({ length }) => length), 5);
    assert.deepEqual(await broken(page, '.stats dd, .wallet button'), []);
    const isTooWide = () => document.scrollingElement.scrollWidth > document.documentElement.clientWidth;
    assert.equal(await page.evaluate(isTooWide), false);
  });

  test('what waits is hatched all over', async () => {
    const page = await open();
    await page.evaluate(() => {
      const bar = Object.assign(document.createElement('div'), {
        className: 'waits',
        style: 'position: fixed; inset: 0 auto auto 0; z-index: 2; width: 400px; height: 20px; background-color: white',
      });
      document.body.append(bar);
    });
    await page.bringToFront();
    const countStripes = (png) =>
      page.evaluate(async (png) => {
        const image = new Image();
        image.src = `data:image/png;base64,${png}`;
        await image.decode();
        const [width, middle] = [400, 10].map((pixels) => Math.round(pixels * devicePixelRatio));
        const context = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
        context.drawImage(image, 0, 0);
        const { data } = context.getImageData(0, middle, width, 1);
        const isDark = Array.from({ length: width }, (_, x) => data[4 * x] + data[4 * x + 1] + data[4 * x + 2] < 3 * 225);
        return isDark.filter((dark, x) => dark && !isDark[x - 1]).length;
      }, png);
    // WebKit's first pictures of a window may be from before the bar was drawn.
    let stripes = 0;
    for (let i = 0; i < 10 && stripes === 0; i++) stripes = await countStripes((await page.screenshot()).toString('base64'));
    // One in ten pixels.
    assert.ok(stripes >= 38 && stripes <= 42, `${stripes}`);
  });
});
