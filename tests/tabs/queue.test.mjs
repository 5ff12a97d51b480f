// Who is next when a lock becomes free: among tasks, workers and tabs, whatever became of the holder.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, inBrowser, release, untilPending } from './support.mjs';

describe('who is next', { timeout: 120_000 }, () => {
  const { tab, answer, errors } = browserTests();

  test('one tab waits for another, and gets the lock within milliseconds of the release', async (t) => {
    const [one, two] = [await tab(), await tab()];
    const times = [];
    for (let i = 0; i < 15; i++) {
      await hold(one, 'k');
      const granted = two.evaluate(async () => {
        globalThis.guard = await locks.lock('k', { timeout: 30_000 });
        return performance.timeOrigin + performance.now();
      });
      await untilPending(one, 'k', 1);
      const released = await one.evaluate(() => {
        const now = performance.timeOrigin + performance.now();
        void guard.release();
        return now;
      });
      times.push((await granted) - released);
      await release(two);
    }
    const median = times.sort((a, b) => a - b)[7];
    t.diagnostic(`median ${median.toFixed(2)} ms`);
    // The clocks of two tabs may be a little apart. A poll would take 25 ms on average.
    assert.ok(median > -2 && median < 20, times.map((time) => time.toFixed(2)).join());
    assert.deepEqual(await inBrowser(one, 'k'), { held: 0, pending: 0 });
  });

  test('with passing: false, first come, first served, among tasks, workers and tabs', async () => {
    const order = [];
    // Each fetch is answered before its lock is released.
    answer('/granted', (request, response) => {
      order.push(decodeURIComponent(request.url.split('?')[1]));
      response.end();
    });
    const [one, two] = [await tab(), await tab()];
    await hold(one, 'k');

    const task = (page, name) =>
      page.evaluate((name) => {
        globalThis.waits ??= [];
        globalThis.strict ??= new WebLockManager({ passing: false });
        waits.push(strict.request('k', { timeout: 60_000 }, () => fetch(`/granted?${name}`)).then(() => {}));
      }, name);
    const worker = (page, name) =>
      page.evaluate((name) => {
        globalThis.waits ??= [];
        const source = `
          import { WebLockManager } from '${location.origin}/crosslock/index.js';
          const held = () => fetch('${location.origin}/granted?${name}');
          const locks = new WebLockManager({ passing: false });
          locks.request('k', { timeout: 60_000 }, held).then(() => postMessage('done'), (error) => postMessage(String(error)));
        `;
        const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
        const done = new Promise((resolve, reject) => {
          worker.onerror = reject;
          worker.onmessage = ({ data }) => (data === 'done' ? resolve() : reject(new Error(data)));
        });
        waits.push(done.finally(() => worker.terminate()));
      }, name);

    const queue = [
      [task, one, 'one, task'],
      [worker, one, 'one, worker'],
      [task, two, 'two, task'],
      [worker, two, 'two, worker'],
      [task, two, 'two, second task'],
      [task, one, 'one, second task'],
    ];
    for (const [i, [enqueue, page, name]] of queue.entries()) {
      await enqueue(page, name);
      await untilPending(one, 'k', i + 1);
    }
    await release(one);
    for (const page of [one, two]) await page.evaluate(() => Promise.all(waits));
    assert.deepEqual(
      order,
      queue.map(([, , name]) => name),
    );
    assert.deepEqual(await inBrowser(one, 'k'), { held: 0, pending: 0 });
  });

  for (const [how, end] of [
    ['closed', (page) => page.close()],
    ['reloaded', (page) => page.reload()],
    ['navigated elsewhere', (page) => page.goto('about:blank')],
  ]) {
    test(`a tab that is ${how} frees its lock, and the tab that waits gets it`, async () => {
      const [holder, waiter] = [await tab(), await tab()];
      await hold(holder, 'k');
      const granted = hold(waiter, 'k');
      await untilPending(waiter, 'k', 1);
      await end(holder);
      await granted;
      await release(waiter);
      assert.deepEqual(await inBrowser(waiter, 'k'), { held: 0, pending: 0 });
    });
  }

  test('a tab that is closed while it waits leaves the queue', async () => {
    const [holder, gone, waiter] = [await tab(), await tab(), await tab()];
    await hold(holder, 'k');
    hold(gone, 'k').catch(() => {});
    await untilPending(holder, 'k', 1);
    const granted = hold(waiter, 'k');
    await untilPending(holder, 'k', 2);
    await gone.close();
    await untilPending(holder, 'k', 1);
    await release(holder);
    await granted;
  });

  test('a steal from another tab is seen by the victim', async () => {
    const [victim, thief] = [await tab(), await tab()];
    await hold(victim, 'k');
    const lost = victim.evaluate(async () => {
      if (!guard.lost.aborted) await new Promise((resolve) => guard.lost.addEventListener('abort', resolve));
      const { code, key } = guard.lost.reason;
      return { code, key };
    });
    // The listener must be there before the steal.
    await victim.evaluate(() => guard.lost.aborted);
    await thief.evaluate(() => {
      globalThis.stolen = locks.request('k', { steal: true }, () => new Promise((resolve) => (globalThis.finish = resolve)));
    });
    assert.deepEqual(await lost, { code: 'LOST', key: 'k' });
    await release(victim);
    assert.deepEqual(await inBrowser(thief, 'k'), { held: 1, pending: 0 }, 'the release of the victim frees nothing');

    const robbed = thief.evaluate(() => stolen.catch(({ name }) => name));
    await victim.evaluate(() => locks.request('k', { steal: true }, ({ mode }) => mode));
    assert.equal(await robbed, 'AbortError');
    assert.deepEqual(await inBrowser(thief, 'k'), { held: 0, pending: 0 });
    assert.deepEqual(errors, []);
  });
});
