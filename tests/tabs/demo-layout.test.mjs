// How the demo looks, as far as engines have differed in it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { demoTests, payFromEveryTab } from './demo-support.mjs';

describe("the demo's layout", { timeout: 120_000 }, () => {
  const { open } = demoTests();

  test('at 1024 pixels, nothing in the wallet breaks that belongs into one line', async () => {
    const page = await open({ frames: 1 });
    await page.setViewportSize({ width: 1024, height: 768 });
    await payFromEveryTab(page);
    const tops = await page.$$eval('#pay, #refill', (buttons) => buttons.map((button) => button.getBoundingClientRect().top));
    assert.equal(tops[0], tops[1], 'the buttons are side by side');
    const lines = await page.$$eval('.stats dd, .wallet button', (elements) =>
      elements.map((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const boxes = [...range.getClientRects()].filter(({ width }) => width > 0);
        const middle = ({ top, bottom }) => (top + bottom) / 2;
        return { text: element.textContent.trim(), inOneLine: boxes.every((box) => box.top < middle(boxes[0]) && box.bottom > middle(boxes[0])) };
      }),
    );
    assert.equal(lines.length, 5);
    assert.deepEqual(lines.filter(({ inOneLine }) => !inOneLine), []);
    const isTooWide = () => document.scrollingElement.scrollWidth > document.documentElement.clientWidth;
    assert.equal(await page.evaluate(isTooWide), false);
  });
});
