// The demo, as the tests use it.

import { beforeEach } from 'node:test';
import { browserTests } from './support.mjs';

/** Starts a browser and a server for the tests of a file. Each finds the demo as on a first visit. */
export function demoTests() {
  const tests = browserTests();

  beforeEach(async () => {
    const page = await tests.tab('/blank');
    await page.evaluate(async () => {
      localStorage.clear();
      const deleted = indexedDB.deleteDatabase('crosslock-demo');
      await new Promise((resolve, reject) => Object.assign(deleted, { onsuccess: resolve, onerror: reject }));
    });
    await page.close();
  });

  return {
    ...tests,
    /** Opens the demo. It resolves when the page, and every frame in it, has a name. */
    async open({ frames = 0, path = '/', ...options } = {}) {
      const page = await tests.tab(`${path}?frames=${frames}`, options);
      await ready(page, frames);
      return page;
    },
  };
}

/** Waits until the page and so many frames are ready. */
export async function ready(page, frames = 0) {
  await page.waitForSelector('html[data-ready]', { state: 'attached' });
  await page.waitForFunction(
    (count) =>
      [...document.querySelectorAll('#tabs iframe')].filter(({ contentDocument }) => contentDocument?.querySelector('html[data-ready]'))
        .length === count,
    frames,
  );
}

/** The tab's name, which is what everything that shows it carries as `data-tab`. */
export const nameOf = (page) => page.getAttribute('#own', 'data-tab');

/** Clicks on a button of the tab's, or the frame's, own card. */
export async function act(page, action) {
  await toFront(page);
  await page.click(`#own-controls [data-action=${action}]`);
}

/** Shows the tab, as a person would who is about to use it: a hidden one draws once a second. */
const toFront = (page) => (page.page?.() ?? page).bringToFront();

/** Resolves when the tab's card says this. */
export const says = (page, text, part = '.message') => page.waitForSelector(`#own-controls ${part}:has-text(${JSON.stringify(text)})`);

/** Resolves when the board of the page shows these holders and this queue for the key. */
export const boardShows = async (page, key, holders, queue = []) => {
  await toFront(page);
  await page.waitForFunction(
    ([key, ...expected]) => {
      const names = (part) =>
        [...document.querySelectorAll(`#board [data-key="${key}"] ${part} .client`)].map(({ dataset }) => dataset.tab);
      return [names('.holders'), names('.queue')].every((names, i) => names.join() === expected[i].join());
    },
    [key, holders, queue],
  );
};

/** Resolves when the timeline of the page has this in the lane of the tab. */
export const timelineShows = (page, name, what) => page.waitForSelector(`#timeline [data-tab="${name}"] ${what}`, { state: 'attached' });

/** Resolves when the list of the page has such a line. */
export const logged = (page, name, text) => page.waitForSelector(`#log li[data-by="${name}"]:has-text(${JSON.stringify(text)})`);

/** Switches the locks of the payments on or off, in all tabs. */
export const payUnderLock = (page, locked) => page.setChecked('#locked', locked, { force: true });

/** Pays from every tab at once, and returns what the page says of it. */
export async function payFromEveryTab(page) {
  await toFront(page);
  const before = await page.getAttribute('#result', 'data-round');
  await page.click('#pay');
  await page.waitForFunction((before) => (document.querySelector('#result').dataset.round ?? null) !== before, before);
  return page.$eval('#result', ({ dataset, textContent }) => ({
    lost: Number(dataset.lost),
    text: textContent,
  }));
}

/** The texts of those of the elements that break into several lines. */
export const broken = (page, css) =>
  page.$$eval(css, (elements) =>
    elements
      .filter((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const boxes = [...range.getClientRects()].filter(({ width }) => width > 0);
        const middle = ({ top, bottom }) => (top + bottom) / 2;
        return boxes.some((box) => box.top > middle(boxes[0]) || box.bottom < middle(boxes[0]));
      })
      .map(({ textContent }) => textContent.trim()),
  );
