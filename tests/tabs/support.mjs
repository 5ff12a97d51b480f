// Real tabs: in the system's Chromium, Firefox or WebKit, on a server of our own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, afterEach, before } from 'node:test';
import { site } from '../../tools/site.mjs';

/** The browser that the tests use. tools/test.mjs sets it. */
export const engine = process.env.CROSSLOCK_TEST_BROWSER || 'chromium';

/** A host name that the browser does not take for this machine, so that it is not a secure context over http. */
const insecureHost = 'insecure.test';

/** Pages that the demo does not have. */
const pages = {
  '/blank': {},
  '/other': {},
  '/no-wasm': { 'Content-Security-Policy': "script-src 'self'" },
  '/wasm': { 'Content-Security-Policy': "script-src 'self' 'wasm-unsafe-eval'" },
  // It may connect to the tests alone.
  '/no-connect': { 'Content-Security-Policy': "script-src 'self' 'wasm-unsafe-eval'; connect-src http://localhost:*/webdriver/" },
};

/**
 * Starts a browser and a server for the tests of a file. A test fails on any error in any page. Tests for
 * every engine use of a tab what browsers/webdriver.mjs has: `evaluate`, `goto`, `reload`, `close` and more.
 * With `hides`, tabs in windows of their own can be hidden, in every engine.
 */
export function browserTests({ backForwardCache = false, hides = false } = {}) {
  let server, browser;
  const errors = [];
  const requested = [];
  const answers = new Map();

  before(async () => {
    const demo = site();
    server = createServer((request, response) => {
      // A proxy gets the whole address.
      const { pathname, search } = new URL(request.url, 'http://localhost');
      request.url = `${pathname}${search}`;
      // If this server is the proxy, it gets what browsers request for themselves when they start.
      if (!browser) return response.writeHead(503).end();
      if (browser.serve(request, response)) return undefined;
      // A sandboxed frame is of another origin than its scripts.
      response.setHeader('Access-Control-Allow-Origin', '*');
      if (answers.has(pathname)) return answers.get(pathname)(request, response);
      const headers = pages[pathname];
      if (!headers) return demo(request, response);
      return response.writeHead(200, { 'Content-Type': 'text/html', ...headers }).end(blank);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    const { launch } = await import(`./browsers/${engine === 'chromium' && !hides ? 'chromium' : 'webdriver'}.mjs`);
    browser = await launch({ engine, port, errors, requested, insecureHost, backForwardCache });
  });

  afterEach(async () => {
    await browser.closeTabs();
    answers.clear();
    assert.deepEqual(errors.splice(0), [], 'errors in the pages');
  });

  after(async () => {
    try {
      await browser?.close();
    } finally {
      // Or the process of the tests would never end.
      server?.close();
      server?.closeAllConnections();
    }
  });

  return {
    /** The errors of the pages so far, for a test that expects some. */
    errors,
    /** What the pages requested of any server. (In Chromium alone.) */
    requested,
    /** Opens a tab, at a path or an address. Without one it is blank, with the package and `locks` as globals. */
    async tab(path, { host = 'localhost', inWindow = false } = {}) {
      const page = await browser.open({ inWindow });
      await page.goto(new URL(path ?? '/blank', `http://${host}:${server.address().port}`).href);
      if (path === undefined) await load(page);
      return page;
    },
    /** The one frame in the page. */
    frameIn: (page) => browser.frameIn(page),
    /** Answers requests for the path until the test ends, by a listener as of an HTTP server. */
    answer: (path, listener) => void answers.set(path, listener),
  };
}

const blank = '<!doctype html><title>blank</title><link rel="icon" href="data:,">';

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

/** Resolves when this many requests for the key are pending, in all tabs together. */
export const untilPending = (page, key, count) =>
  page.evaluate(
    async ([key, count]) => {
      const pending = async () => (await locks.query()).pending.filter((request) => request.key === key);
      while ((await pending()).length !== count);
    },
    [key, count],
  );

/** How many requests for the key the browser itself has, held and pending. */
export const inBrowser = (page, key) =>
  page.evaluate(async (key) => {
    const { held, pending } = await navigator.locks.query();
    const count = (requests) => requests.filter(({ name }) => name.endsWith(`:${key}`)).length;
    return { held: count(held), pending: count(pending) };
  }, key);

/** The code, the name and the message of the error with which the expression is rejected in the page. */
export const failure = (page, expression) =>
  page.evaluate(async (expression) => {
    const start = performance.now();
    const error = await (0, eval)(expression).then(
      () => ({ code: 'none' }),
      (error) => error,
    );
    return { code: error.code, name: error.name, message: error.message, milliseconds: performance.now() - start };
  }, expression);
