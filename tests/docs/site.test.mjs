// The site that `npm run docs` makes: its links lead somewhere, and its pages can be read by all, on phones and in the dark.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import sirv from 'sirv';
import { transform } from 'esbuild';
import { args, executablePath } from '../../tools/chromium.mjs';
import { root } from '../../tools/run.mjs';

const site = process.env.CROSSLOCK_TEST_SITE || join(root, 'target/docs');

/** All pages, by their paths. */
const pages = readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html') && !name.includes('node_modules'));
/** Those that are ours, and not made by rustdoc or typedoc. */
const own = pages.filter((name) => !name.startsWith('api/') && name !== 'tab.html');

/** What an address is on this site. */
const parts = (page, href) => new URL(href, `http://site/${page}`);

describe('the site', { timeout: 900_000 }, () => {
  test('has no dead links', () => {
    const ids = new Map();
    const idsOf = (page) => {
      if (!ids.has(page)) {
        const text = readFileSync(join(site, page), 'utf8');
        ids.set(page, new Set([...text.matchAll(/\s(?:id|name)=(["'])?/g)].map((id) => valueAt(text, id))));
      }
      return ids.get(page);
    };
    const dead = [];
    let count = 0;
    for (const page of pages) {
      const text = readFileSync(join(site, page), 'utf8').replace(/<script\b.*?<\/script>/gs, '');
      const links = [...text.matchAll(/<(?:a|link|img|script)\b[^>]*?\s(?:href|src)=(["'])?/g)].map((link) => valueAt(text, link));
      for (const href of links) {
        if (/^(data|javascript|mailto):/.test(href)) continue;
        // In what other crates say of traits that all types have.
        if (page.startsWith('api/rust') && href.startsWith('dispatcher#')) continue;
        const { host, pathname, hash } = parts(page, href);
        if (host !== 'site') continue;
        count++;
        let to = decodeURIComponent(pathname.slice(1)) || 'index.html';
        if (existsSync(join(site, to)) && statSync(join(site, to)).isDirectory()) to = join(to, 'index.html');
        if (!existsSync(join(site, to))) dead.push(`${page}: ${href}`);
        // rustdoc makes the anchors of source lines by a script, and writes some of the others as in an address.
        else if (
          hash &&
          to.endsWith('.html') &&
          !to.includes('/src/') &&
          ![hash.slice(1), decodeURIComponent(hash.slice(1))].some((id) => idsOf(to).has(id))
        )
          dead.push(`${page}: ${href} (no such heading)`);
      }
    }
    assert.ok(count > 1000, `${count} links are few`);
    assert.deepEqual(dead, []);
  });

  test('shows Web Locks in the reference for the web, and the locks of datadirs in that of Linux', () => {
    assert.ok(existsSync(join(site, 'api/rust-web/crosslock/web_locks/struct.WebLockManager.html')));
    assert.ok(existsSync(join(site, 'api/rust/crosslock/pid_fcntl/struct.FcntlPidLockManager.html')));
    assert.ok(existsSync(join(site, 'api/js/classes/WebLockManager.html')));
  });

  test('the guide is read in ten minutes', () => {
    const text = readFileSync(join(site, 'guide.html'), 'utf8').replace(/<(head|script|style)\b.*?<\/\1>/gs, '');
    const words = text.replace(/<[^>]+>/g, ' ').split(/\s+/).length;
    // 200 words a minute, as people read of a screen what they do not know yet.
    assert.ok(words < 2000, `${words} words`);
  });

  describe('in a browser', () => {
    let server, browser, address;

    before(async () => {
      server = createServer(sirv(site, { dev: true }));
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      address = `http://localhost:${server.address().port}`;
      browser = await chromium.launch({ executablePath, args });
    });

    after(async () => {
      await browser?.close();
      server?.close();
      server?.closeAllConnections();
    });

    const sizes = { phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 900 } };
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ['light', 'dark']) {
        test(`axe finds nothing on a ${size}, in ${colorScheme}, and nothing is wider than the page`, async () => {
          const context = await browser.newContext({ viewport, colorScheme });
          const page = await context.newPage();
          for (const name of own) {
            await page.goto(`${address}/${name}`);
            if (name === 'guide.html') await answer(page, 'browser', 'tabs');
            await page.evaluate(axe.source);
            const { violations } = await page.evaluate(() => globalThis.axe.run());
            const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
            assert.deepEqual(found, [], name);
            const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);
            assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
          }
          await context.close();
        });
      }
    }

    test('every way through the questions ends in one line, and a page to read on', async () => {
      const page = await browser.newPage();
      await page.goto(`${address}/guide.html`);
      const { places } = await import(`data:text/javascript,${encodeURIComponent(await backends())}`);
      for (const place of places) {
        for (const reach of place.reaches) {
          await answer(page, place.id, reach.id);
          const code = await page.textContent('#answer-code');
          assert.equal(code, reach.code);
          assert.ok(!code.includes('\n'));
          const href = await page.getAttribute('#answer-page', 'href');
          assert.ok(existsSync(join(site, href)), `${place.id}, ${reach.id}: ${href}`);
          check(reach);
        }
        // Another place asks anew.
        assert.equal(await page.isVisible('#answer'), true);
      }
      await page.close();
    });
  });
});

/** Answers the questions of the guide. */
async function answer(page, place, reach) {
  await page.waitForSelector('html[data-ready]', { state: 'attached' });
  await page.check(`input[name=place][value=${place}]`);
  await page.check(`input[name=reach][value=${reach}]`);
  await page.waitForSelector('#answer:not([hidden])');
}

async function backends() {
  const { code } = await transform(readFileSync(join(root, 'www/guide/backends.ts'), 'utf8'), { loader: 'ts', format: 'esm' });
  return code;
}

/** What a line names is public: in the crate by the listings of its API, in the package by what it exports. */
function check({ code, language }) {
  if (language === 'rust') {
    const api = ['native', 'web'].map((name) => readFileSync(join(root, `docs/api/${name}.txt`), 'utf8')).join('');
    const [path] = /crosslock::[\w:]+/.exec(code);
    const isThere = api.includes(`${path}(`) || (path.startsWith('crosslock::postgres') && /pub async fn connect\(/.test(postgres()));
    assert.ok(isThere, path);
  } else {
    const types = readFileSync(join(root, 'js/src/node.ts'), 'utf8');
    assert.ok(types.includes(/(?:new |await )(\w+)/.exec(code)[1]), code);
  }
}

const postgres = () => readFileSync(join(root, 'src/postgres.rs'), 'utf8');

/** The value of an attribute, of which the beginning was matched. */
function valueAt(text, { 0: found, 1: quote, index }) {
  const from = index + found.length;
  const end = text.slice(from).search(quote ? new RegExp(quote) : /[\s>]/);
  return decode(text.slice(from, from + end));
}

function decode(text) {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name] ?? whole;
    return String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
