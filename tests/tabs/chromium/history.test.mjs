// What tabs saw of their locks keeps the contract, with tabs that are closed in the middle, thefts, timeouts and
// waits that are aborted. tests/history has the checker.
//
// The clocks of tabs differ, and are coarse. So the server has the one clock: a tab tells it what it is about to
// do, and waits for the answer, and tells it what has happened when it has. What the server knows of each lock is
// a time in which it was certainly held, and one in which it was possibly held.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { root } from '../../../tools/run.mjs';
import { browserTests } from '../support.mjs';

const operations = Number(process.env.CROSSLOCK_OPERATIONS ?? 1000);
const seed = Number(process.env.CROSSLOCK_SEED ?? Math.floor(Math.random() * 2 ** 32));
const tabs = 3;
/** A tab is closed, and another opened, after about so many requests of it. */
const life = Math.min(1000, operations / 3);

describe('histories of tabs', { timeout: 3_600_000 }, () => {
  const { tab, answer } = browserTests();
  after(() => console.log(`CROSSLOCK_SEED=${seed} CROSSLOCK_OPERATIONS=${operations}`));

  for (const passing of [true, false]) {
    test(`with passing: ${passing}`, async () => {
      const history = new History();
      answer('/history', (request, response) => history.listen(request, response));
      // It stays, to look what the browser knows of the others.
      const observer = await tab();
      let left = operations;
      let last = 0;
      const lives = Array.from({ length: tabs }, async () => {
        while (left > 0) {
          const context = `tab ${++last}`;
          const share = Math.min(left, life);
          left -= share;
          const page = await tab();
          const clientId = await page.evaluate(nameItself, [context]);
          const isKilled = last % 2 === 0;
          // Who is to be killed does not come to its end.
          const work = page.evaluate(useLocks, [{ context, passing, seed: seed + last, operations: isKilled ? 1e9 : share }]);
          if (!isKilled) {
            await work;
          } else {
            work.catch(() => {});
            await history.until(context, share);
            history.killing(context);
            await page.close();
            await observer.evaluate(untilForgotten, [clientId]);
            history.dead(context);
          }
        }
      });
      await Promise.all(lives);
      // 10 ms, and what the coarsest clock of a browser adds.
      assert.equal(await verdict(history.events, ['--late-losses', ...(passing ? ['--handed-on', '12,1000'] : [])]), 0);
    });
  }
});

/** What the tabs have told. */
class History {
  events = [];
  #killed = new Set();
  #asked = new Map();
  #watchers = new Map();

  async listen(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const event = JSON.parse(Buffer.concat(chunks).toString());
    // It does nothing without an answer.
    if (this.#killed.has(event.context)) return;
    this.#add(event);
    response.end();
    if (event.event !== 'asked') return;
    const asked = (this.#asked.get(event.context) ?? 0) + 1;
    this.#asked.set(event.context, asked);
    const { count, resolve } = this.#watchers.get(event.context) ?? {};
    if (asked >= count) resolve();
  }

  #add(event) {
    // The same clock as that of the checker's own clients: CLOCK_MONOTONIC in nanoseconds. As text, since a
    // number of JavaScript's is too short.
    this.events.push(`{"at":${process.hrtime.bigint()},${JSON.stringify(event).slice(1)}`);
  }

  /** Resolves when the tab has asked so many times. */
  until(context, count) {
    return new Promise((resolve) => {
      if ((this.#asked.get(context) ?? 0) >= count) return resolve();
      this.#watchers.set(context, { count, resolve });
    });
  }

  killing(context) {
    this.#add({ context, event: 'killing' });
    this.#killed.add(context);
  }

  dead(context) {
    this.#add({ context, event: 'dead' });
  }
}

/** The exit code of the checker, which prints what it finds. */
async function verdict(lines, options) {
  const args = ['run', '--quiet', '--package', 'crosslock-history', '--', ...options];
  const checker = spawn('cargo', args, { cwd: root, stdio: ['pipe', 'inherit', 'inherit'] });
  checker.stdin.end(lines.join('\n'));
  const [code] = await once(checker, 'close');
  return code;
}

// What runs in the tabs.

/** What the browser calls this tab in `query()`. */
async function nameItself([context]) {
  const own = (held) => held.find(({ name }) => name === context).clientId;
  return navigator.locks.request(context, async () => own((await navigator.locks.query()).held));
}

async function untilForgotten([clientId]) {
  for (;;) {
    const { held, pending } = await navigator.locks.query();
    if (![...held, ...pending].some((lock) => lock.clientId === clientId)) return;
  }
}

async function useLocks([{ context, passing, seed, operations }]) {
  const manager = new WebLockManager({ namespace: 'history', passing });
  let state = seed >>> 0;
  /** Below `bound`, by a linear congruence (Numerical Recipes). */
  const random = (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  const tell = (event, rest) => fetch('/history', { method: 'POST', body: JSON.stringify({ context, event, ...rest }) });
  /**
   * Tells that a lock or a wait is gone, when the browser has heard of it: that is in another process, which a
   * release and an abort do not wait for. What it says to a query comes behind them.
   */
  const tellGone = async (event, rest) => {
    await navigator.locks.query();
    return tell(event, rest);
  };
  const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
  let last = 0;

  async function hold(request, guard) {
    await tell('granted', { request });
    if (random(4) === 0) await sleep(random(10));
    if (guard.lost.aborted) await tell('lost', { request });
    await tell('releasing', { request });
  }

  async function lock(request, key, mode) {
    const timeout = random(4) === 0 ? random(30) : 60_000;
    const abort = random(8) === 0 ? new AbortController() : undefined;
    await tell('asked', { request, key, mode, how: 'lock', timeout: timeout * 1e6 });
    let isAnswered = false;
    const wait = manager.lock(key, { mode, timeout, signal: abort?.signal });
    const answered = () => (isAnswered = true);
    wait.then(answered, answered);
    if (abort || random(2) === 0) {
      // The answer comes behind the request.
      await manager.query();
      if (!isAnswered) await tell('queued', { request });
      if (abort && !isAnswered) {
        await tell('giving-up', { request });
        abort.abort();
      }
    }
    let guard;
    try {
      guard = await wait;
    } catch (error) {
      const why = { TIMED_OUT: 'timed-out', LOST: 'lost' }[error.code] ?? (error.name === 'AbortError' ? 'withdrawn' : undefined);
      if (!why) throw error;
      return tellGone('ended', { request, why });
    }
    await hold(request, guard);
    await guard.release();
    return tellGone('released', { request });
  }

  async function tryLock(request, key, mode) {
    await tell('asked', { request, key, mode, how: 'try-lock' });
    const guard = await manager.tryLock(key, { mode });
    if (!guard) return tell('ended', { request, why: 'busy' });
    await hold(request, guard);
    await guard.release();
    return tellGone('released', { request });
  }

  async function steal(request, key) {
    await tell('asked', { request, key, mode: 'exclusive', how: 'steal' });
    let held;
    try {
      await manager.request(key, { steal: true }, (guard) => (held = hold(request, guard)));
    } catch (error) {
      // Stolen in turn: before the callback had its turn, or while it runs. It is not interrupted.
      if (error.name !== 'AbortError') throw error;
      if (!held) return tellGone('ended', { request, why: 'lost' });
      await held;
    }
    return tellGone('released', { request });
  }

  const task = async () => {
    while (last < operations) {
      const request = ++last;
      const key = `history.${random(3)}`;
      const mode = random(2) === 0 ? 'exclusive' : 'shared';
      const what = random(100);
      if (what === 0) await steal(request, key);
      else if (what < 20) await tryLock(request, key, mode);
      else await lock(request, key, mode);
    }
  };
  await Promise.all(Array.from({ length: 4 }, task));
}
