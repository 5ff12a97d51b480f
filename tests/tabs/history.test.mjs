// What tabs and their workers saw of their locks keeps the contract, with tabs that are closed, navigated, reloaded
// and, in Chromium, crashed and frozen in the middle, workers that are terminated, thefts, timeouts and waits that are
// aborted. tests/history has the checker.
//
// The clocks of tabs differ, and are coarse. So the server has the one clock: a tab tells it what it is about to
// do, and waits for the answer, and tells it what has happened when it has. What the server knows of each lock is
// a time in which it was certainly held, and one in which it was possibly held.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { lineOf, operations, seed, verdict } from '../history/clients/verdict.mjs';
import { crash } from './chromium/crash.mjs';
import { browserTests, engine } from './support.mjs';

/** Half of them with passing, and half without. */
const each = Math.ceil(operations(3_000) / 2);
const tabs = 3;
/** A tab ends, and another is opened, after about so many requests of it. */
const life = Math.min(1_000, Math.ceil(each / 8));
/** As many as are looked at together, so that no history outgrows the memory. */
const chunk = 50_000;

/** How a client ends that has not come to its end. */
const ends = {
  closed: (page) => page.close(),
  navigated: (page) => page.goto(page.url().replace('/blank', '/other')),
  reloaded: (page) => page.reload(),
  ...(engine === 'chromium' ? { crashed: crash } : {}),
  terminated: (page) => page.evaluate(() => worker.terminate()),
};

/** The clients by turns: a tab, or a worker in one, with each end. */
const lives = ['ended', ...Object.keys(ends)].flatMap((end) =>
  [false, true].filter((inWorker) => inWorker || end !== 'terminated').map((inWorker) => ({ end, inWorker })),
);

const scripts = { '/client.js': 'page.mjs', '/use-locks.js': 'use-locks.mjs' };

describe('histories of tabs and workers', { timeout: 10_800_000 }, () => {
  const { tab, answer } = browserTests();

  for (const passing of [true, false]) {
    test(`with passing: ${passing}`, async (t) => {
      t.diagnostic(`CROSSLOCK_OPERATIONS=${2 * each} CROSSLOCK_SEED=${seed}`);
      const count = {};
      for (const [path, file] of Object.entries(scripts)) {
        answer(path, (_, response) => {
          response.writeHead(200, { 'Content-Type': 'text/javascript' });
          response.end(readFileSync(new URL(`../history/clients/${file}`, import.meta.url)));
        });
      }
      answer('/rest', async (request, response) => {
        await setTimeout(Number(new URL(request.url, 'http://localhost').searchParams.get('for')));
        response.end();
      });
      // 10 ms, and what the coarsest clock of a browser adds.
      const contract = ['--late-losses', ...(passing ? ['--handed-on', '12,1000'] : [])];
      // Readers behind a writer that gives up wait for a release (the documentation of `WebLockManager` has it).
      if (engine === 'chromium') contract.push('--grants-on-release-alone');
      for (let done = 0; done < each; done += chunk) {
        const lines = await history(passing, Math.min(chunk, each - done), count);
        assert.equal(await verdict(lines, contract), 0);
      }
      t.diagnostic(`tabs: ${JSON.stringify(count)}`);
    });
  }

  let last = 0;

  /** What so many requests were like. */
  async function history(passing, requests, count) {
    const history = new History();
    answer('/history', (request, response) => history.listen(request, response));
    // It stays, to look what the browser knows of the others.
    const observer = await tab();
    let left = requests;
    const contexts = Array.from({ length: tabs }, async () => {
      while (left > 0) {
        const number = ++last;
        const context = `tab ${number}`;
        const share = Math.min(left, life);
        left -= share;
        const page = await tab();
        const { end, inWorker } = lives[number % lives.length];
        await page.evaluate(makeClient, [inWorker]);
        const clientId = await page.evaluate((context) => client.nameItself(context), context);
        const name = inWorker ? `${end} (worker)` : end;
        count[name] = (count[name] ?? 0) + 1;
        const options = { context, passing, seed: seed + number, operations: end === 'ended' ? share : 1e9 };
        const work = page.evaluate((options) => client.useThem(options), options);
        if (end === 'ended') {
          const frozen = engine === 'chromium' ? freeze(page, context, history, share) : undefined;
          await work;
          count.freezes = (count.freezes ?? 0) + ((await frozen) ?? 0);
        } else {
          work.catch(() => {});
          await history.until(context, share);
          history.killing(context);
          await ends[end](page);
          await observer.evaluate(untilForgotten, [clientId]);
          history.dead(context);
        }
        if (end !== 'closed') await page.close();
      }
    });
    await Promise.all(contexts);
    await observer.close();
    return history.lines;
  }
});

/** Freezes the tab several times, as a browser does with tabs that are out of sight. Resolves to how often. */
async function freeze(page, context, history, share) {
  const session = await page.context().newCDPSession(page);
  const state = (state) => session.send('Page.setWebLifecycleState', { state });
  const times = 3;
  for (let n = 1; n <= times; n++) {
    await history.until(context, Math.floor((share * n) / (times + 2)));
    await state('frozen');
    await setTimeout(20 * n ** 2);
    await state('active');
  }
  return times;
}

/** What the tabs have told. */
class History {
  lines = [];
  #killed = new Set();
  #asked = new Map();
  #watchers = new Map();

  async listen(request, response) {
    const { context, events } = JSON.parse(await text(request));
    // It does nothing without an answer.
    if (this.#killed.has(context)) return;
    for (const event of events) this.lines.push(lineOf({ context, ...event }));
    response.end();
    const asked = (this.#asked.get(context) ?? 0) + events.filter(({ event }) => event === 'asked').length;
    this.#asked.set(context, asked);
    const { count, resolve } = this.#watchers.get(context) ?? {};
    if (asked >= count) resolve();
  }

  /** Resolves when the tab has asked so many times. */
  until(context, count) {
    return new Promise((resolve) => {
      if ((this.#asked.get(context) ?? 0) >= count) return resolve();
      this.#watchers.set(context, { count, resolve });
    });
  }

  killing(context) {
    this.lines.push(lineOf({ context, event: 'killing' }));
    this.#killed.add(context);
  }

  dead(context) {
    this.lines.push(lineOf({ context, event: 'dead' }));
  }
}

// What runs in the tabs.

async function untilForgotten([clientId]) {
  for (;;) {
    const { held, pending } = await navigator.locks.query();
    if (![...held, ...pending].some((lock) => lock.clientId === clientId)) return;
  }
}

/** Gives the tab a client: itself, or a worker. */
async function makeClient([inWorker]) {
  if (!inWorker) {
    globalThis.client = await import('/client.js');
    return;
  }
  globalThis.worker = new Worker('/client.js', { type: 'module' });
  // As the documentation of `WebLockManager` says: WebKit would keep it in the back/forward cache, with its locks held.
  addEventListener('pagehide', () => worker.terminate());
  const call = (name) => (argument) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { result, error } }) => (error === undefined ? resolve(result) : reject(new Error(error)));
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage([name, argument]);
    });
  globalThis.client = { nameItself: call('nameItself'), useThem: call('useThem') };
}
