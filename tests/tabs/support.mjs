// Real tabs: pages of one context of the system's Chromium, on a server of our own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before } from 'node:test';
import { chromium } from 'playwright-core';
import { args, executablePath } from '../../tools/chromium.mjs';
import { site } from '../../tools/site.mjs';

/** A host name that is not this machine's to the browser, and so no secure context over http. */
const INSECURE_HOST = 'insecure.test';

/** Pages that the demo does not have. */
const pages = {
  '/blank': {},
  '/other': {},
  '/no-wasm': { 'Content-Security-Policy': "script-src 'self'" },
  '/wasm': { 'Content-Security-Policy': "script-src 'self' 'wasm-unsafe-eval'" },
  '/no-connect': { 'Content-Security-Policy': "script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'" },
};

/** Starts a browser and a server for the tests of a file. A test fails on any error in any page. */
export function browserTests({ ignoreDefaultArgs = [] } = {}) {
  let server, browser, context;
  const errors = [];
  const requested = [];

  before(async () => {
    const demo = site();
    server = createServer((request, response) => {
      // A sandboxed frame is of another origin than its scripts.
      response.setHeader('Access-Control-Allow-Origin', '*');
      const headers = pages[request.url];
      if (!headers) return demo(request, response);
      response.writeHead(200, { 'Content-Type': 'text/html', ...headers }).end('<!doctype html><title>blank</title><link rel="icon" href="data:,">');
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({
      executablePath,
      args: [...args, `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`],
      ignoreDefaultArgs,
    });
    context = await browser.newContext();
    context.on('request', (request) => requested.push(request.url()));
    context.on('weberror', (error) => errors.push(error.error()));
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) errors.push(new Error(`console: ${message.text()}`));
    });
  });

  afterEach(async () => {
    await Promise.all(context.pages().map((page) => page.close()));
    assert.deepEqual(errors.splice(0), [], 'errors in the pages');
  });

  after(async () => {
    await browser?.close();
    server?.close();
    server?.closeAllConnections();
  });

  return {
    /** What the pages reported so far, for a test that expects it. */
    errors,
    /** What the pages asked any server for. */
    requested,
    /** Opens a tab, at a path or an address. Without one it is blank, with the package and `locks` as globals. */
    async tab(path, { host = 'localhost' } = {}) {
      const page = await context.newPage();
      await page.goto(new URL(path ?? '/blank', `http://${host}:${server.address().port}`).href);
      if (path === undefined) await load(page);
      return page;
    },
    expose: (name, callback) => context.exposeFunction(name, callback),
  };
}

/** Gives a page or a frame the package, by one of its entries, and a manager as globals. */
export const load = (page, entry = 'index.js') =>
  page.evaluate(async (entry) => {
    Object.assign(globalThis, await import(`/crosslock/${entry}`));
    globalThis.locks = new WebLockManager();
  }, entry);

/** Takes the lock in the tab and keeps it as `guard`. */
export const hold = (page, key, options = {}) =>
  page.evaluate(
    async ([key, options]) => {
      globalThis.guard = await locks.lock(key, { timeout: 30_000, ...options });
    },
    [key, options],
  );

export const release = (page) => page.evaluate(() => guard.release());

/** Resolves when so many requests for the key wait, in whichever tab. */
export const untilPending = (page, key, count) =>
  page.evaluate(
    async ([key, count]) => {
      const pending = async () => (await locks.query()).pending.filter((request) => request.key === key);
      while ((await pending()).length !== count);
    },
    [key, count],
  );

/** What the browser itself knows of the key. */
export const known = (page, key) =>
  page.evaluate(async (key) => {
    const { held, pending } = await navigator.locks.query();
    const count = (requests) => requests.filter(({ name }) => name.endsWith(`:${key}`)).length;
    return { held: count(held), pending: count(pending) };
  }, key);

/** The code and message of what the expression is rejected with in the page. */
export const failure = (page, expression) =>
  page.evaluate(async (expression) => {
    const start = performance.now();
    const error = await (0, eval)(expression).then(() => ({ code: 'none' }), (error) => error);
    return { code: error.code, name: error.name, message: error.message, milliseconds: performance.now() - start };
  }, expression);
