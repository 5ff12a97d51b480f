// The tasks of one tab hand a lock on among themselves, and other tabs still have their turns.
// (cache.test.mjs: how the waits of a page end that goes into the back/forward cache.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, failure, hold, inBrowser, release, untilPending } from './support.mjs';

/** In a page: tasks that request the lock again and again, as `crowd`. */
const crowd = () => {
  let turns = 0;
  let goesOn = true;
  let present = 0;
  let done;
  const crowd = {
    turns: () => turns,
    present: () => present,
    /** A turn: a millisecond of work, and then the other tasks of the page. */
    async turn() {
      present++;
      turns++;
      const end = performance.now() + 1;
      while (performance.now() < end);
      await new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(port1.close());
        port2.postMessage('');
      });
      present--;
    },
    /** Starts this many tasks, each of which requests the lock again after each release. */
    begin(tasks, options = {}) {
      const endless = async () => {
        while (goesOn) await locks.request('k', options, crowd.turn);
      };
      done = Promise.all(Array.from({ length: tasks }, endless));
    },
    async end() {
      goesOn = false;
      await done;
    },
  };
  globalThis.crowd = crowd;
};

/** Resolves when the page has taken this many turns. */
const untilTurns = (page, count) => page.waitForFunction((count) => crowd.turns() >= count, count);

/**
 * Makes the page hold, as `guard`, a lock that one of its tasks has handed on to another. More tasks wait in
 * its queue, and append their names to `served` when they are granted the lock.
 */
const handOver = (page, names) =>
  page.evaluate(async (names) => {
    const first = await locks.lock('k', { timeout: 30_000 });
    const second = locks.lock('k', { timeout: 30_000 });
    globalThis.served = [];
    globalThis.queued = names.map((name) => locks.request('k', { timeout: 30_000 }, () => void served.push(name)));
    await first.release();
    globalThis.guard = await second;
  }, names);

/** The names of the tasks that waited, in the order of their grants. */
const served = (page) => page.evaluate(() => Promise.all(queued).then(() => globalThis.served));

const nothing = { held: 0, pending: 0 };

describe('hand-off within a tab', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  async function crowdedTab() {
    const page = await tab();
    await page.evaluate(crowd);
    return page;
  }

  test('the tasks of a tab are granted the lock in the order of their requests, readers together', async () => {
    const page = await crowdedTab();
    const { order, disturbed } = await page.evaluate(async () => {
      const first = await locks.lock('k', { timeout: 30_000 });
      const [order, disturbed, waits] = [[], [], []];
      let writers = 0;
      const request = (mode, task) => {
        const number = waits.length;
        const wait = locks.request('k', { mode, timeout: 30_000 }, () => (order.push(number), task(number)));
        waits.push(wait);
      };
      for (let i = 0; i < 20; i++) {
        request('exclusive', async (number) => {
          if (crowd.present() > 0) disturbed.push(number);
          writers++;
          await crowd.turn();
          writers--;
        });
        let missing = 4;
        let allAreHere;
        const together = new Promise((resolve) => (allAreHere = resolve));
        for (let j = 0; j < 4; j++) {
          request('shared', async (number) => {
            if (writers > 0) disturbed.push(number);
            if (--missing === 0) allAreHere();
            await together;
            await crowd.turn();
          });
        }
      }
      await first.release();
      await Promise.all(waits);
      return { order, disturbed };
    });
    assert.deepEqual(
      order,
      Array.from({ length: 100 }, (_, i) => i),
    );
    assert.deepEqual(disturbed, []);
    assert.deepEqual(await inBrowser(page, 'k'), nothing);
  });

  test('another tab has its turn long before hundreds of tasks with earlier requests', async (t) => {
    const [busy, other] = [await crowdedTab(), await tab()];
    await hold(busy, 'k');
    await busy.evaluate(() => {
      const request = () => locks.request('k', { timeout: 60_000 }, crowd.turn);
      globalThis.waits = Array.from({ length: 500 }, request);
    });
    // The worst place: behind the first of them, which has a request in the browser's queue.
    await untilPending(other, 'k', 1);
    const granted = hold(other, 'k');
    await untilPending(other, 'k', 2);
    await release(busy);
    await granted;
    const turns = () => busy.evaluate(() => crowd.turns());
    const meanwhile = await turns();
    t.diagnostic(`${meanwhile} turns of the busy tab meanwhile`);
    // The one grant ends after ten milliseconds, and a turn takes one.
    assert.ok(meanwhile <= 50, `${meanwhile}`);
    await release(other);
    await busy.evaluate(() => Promise.all(waits));
    assert.equal(await turns(), 500);
    assert.deepEqual(await inBrowser(other, 'k'), nothing);
  });

  for (const mode of ['exclusive', 'shared']) {
    test(`an endless stream of tasks does not starve a writer of another tab: ${mode}`, async () => {
      const [busy, other] = [await crowdedTab(), await tab()];
      await busy.evaluate((mode) => crowd.begin(10, { mode }), mode);
      for (let i = 1; i <= 3; i++) {
        await untilTurns(busy, 50 * i);
        await hold(other, 'k', { timeout: 20_000 });
        assert.equal(await busy.evaluate(() => crowd.present()), 0);
        await release(other);
      }
      await busy.evaluate(() => crowd.end());
      assert.deepEqual(await inBrowser(other, 'k'), nothing);
    });
  }

  test('the browser is asked far less often than there are turns; for each with passing: false', async (t) => {
    const page = await tab();
    const requests = (passing) =>
      page.evaluate(async (passing) => {
        const locks = new WebLockManager({ passing });
        const platform = Object.getPrototypeOf(navigator.locks);
        const { request } = platform;
        let requests = 0;
        platform.request = function (...args) {
          requests++;
          return request.apply(this, args);
        };
        const turn = () => locks.request('k', { timeout: 60_000 }, () => {});
        await Promise.all(Array.from({ length: 500 }, turn));
        platform.request = request;
        return requests;
      }, passing);
    const few = await requests(true);
    t.diagnostic(`${few} requests for 500 turns`);
    // One for each 10 milliseconds of a slow machine.
    assert.ok(few <= 100, `${few}`);
    assert.equal(await requests(false), 500);
  });

  test('readers of two tabs hold the lock together, and each tab shares it among its own', async () => {
    const [one, two] = [await tab(), await tab()];
    for (const page of [one, two]) {
      await page.evaluate(async () => {
        const read = () => locks.lock('k', { mode: 'shared', timeout: 30_000 });
        globalThis.guards = await Promise.all([read(), read(), read()]);
      });
    }
    assert.equal((await inBrowser(one, 'k')).held, 2, 'one for each tab, as the browser sees it');
    const granted = hold(two, 'k');
    await untilPending(one, 'k', 1);
    await one.evaluate(() => Promise.all(guards.map((guard) => guard.release())));
    await two.evaluate(() => Promise.all(guards.slice(1).map((guard) => guard.release())));
    assert.equal(await one.evaluate(() => locks.tryLock('k')), null);
    assert.deepEqual(await inBrowser(one, 'k'), { held: 1, pending: 1 }, 'one reader is left');
    await two.evaluate(() => guards[0].release());
    await granted;
    await release(two);
    assert.deepEqual(await inBrowser(one, 'k'), nothing);
  });

  test('a steal from another tab: the holder has lost the lock, and the queue stays and is next', async () => {
    const [victim, thief] = [await tab(), await tab()];
    await handOver(victim, ['a', 'b', 'c']);
    await untilPending(thief, 'k', 1);
    await thief.evaluate(async () => {
      const granted = new Promise((resolve) => {
        const finished = new Promise((finish) => (globalThis.finish = finish));
        globalThis.stolen = locks.request('k', { steal: true }, () => (resolve(), finished));
      });
      await granted;
    });
    const lost = await victim.evaluate(async () => {
      if (!guard.lost.aborted) await new Promise((resolve) => guard.lost.addEventListener('abort', resolve));
      const { code, key } = guard.lost.reason;
      return { code, key };
    });
    assert.deepEqual(lost, { code: 'LOST', key: 'k' });
    await release(victim);
    await untilPending(victim, 'k', 3);
    assert.deepEqual(await victim.evaluate(() => globalThis.served), []);
    await thief.evaluate(() => (finish(), stolen));
    assert.deepEqual(await served(victim), ['a', 'b', 'c']);
    assert.deepEqual(await inBrowser(thief, 'k'), nothing);
  });

  test('a steal inside the tab: the queue stays and is next', async () => {
    const page = await tab();
    await handOver(page, ['a', 'b']);
    const seen = await page.evaluate(() =>
      locks.request('k', { steal: true }, async () => {
        const { held, pending } = await locks.query();
        const lost = guard.lost.aborted && guard.lost.reason.code;
        return { lost, held: held.length, pending: pending.length, served: [...served] };
      }),
    );
    assert.deepEqual(seen, { lost: 'LOST', held: 1, pending: 2, served: [] });
    assert.deepEqual(await served(page), ['a', 'b']);
    assert.deepEqual(await inBrowser(page, 'k'), nothing);
  });

  test('a tab that is closed while it passes a lock on leaves it to another tab', async () => {
    const [gone, other] = [await tab(), await tab()];
    await handOver(gone, ['a', 'b', 'c']);
    await untilPending(other, 'k', 1);
    const granted = hold(other, 'k');
    await untilPending(other, 'k', 2);
    await gone.close();
    await granted;
    assert.deepEqual(await inBrowser(other, 'k'), { held: 1, pending: 0 });
  });
});

describe('a queue of tasks', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  test('query() shows all of the own tab in order, and of another the holder and who is next', async () => {
    const [page, other] = [await tab(), await tab()];
    const shown = (page) => page.evaluate(() => locks.query());
    const asked = ['exclusive', 'shared', 'shared', 'exclusive', 'shared'];
    await page.evaluate(async (asked) => {
      globalThis.guard = await locks.lock('k', { timeout: 30_000 });
      // So that their ages tell them apart.
      const later = () => {
        const start = performance.now();
        while (performance.now() < start + 5);
      };
      later();
      const request = (mode) => (later(), locks.request('k', { mode, timeout: 30_000 }, () => {}));
      globalThis.queued = asked.map(request);
    }, asked);
    // Whether the browser knows of the first who waits, as it does in the end, or not yet.
    const early = await shown(page);
    await untilPending(other, 'k', 1);
    const late = await shown(page);
    const { held } = await page.evaluate(() => navigator.locks.query());
    const { clientId } = held.find(({ name }) => name === 'crosslock::k');
    for (const { held, pending } of [early, late]) {
      assert.deepEqual(
        held.map(({ mode }) => mode),
        ['exclusive'],
      );
      assert.deepEqual(
        pending.map(({ mode }) => mode),
        asked,
      );
      const all = [...held, ...pending];
      assert.deepEqual(new Set(all.map((request) => request.clientId)), new Set([clientId]));
      const ages = all.map(({ age }) => age);
      for (let i = 1; i < ages.length; i++) assert.ok(ages[i - 1] > ages[i], `older than the next: ${ages}`);
    }

    const seen = await shown(other);
    assert.deepEqual(
      seen.held.map(({ mode }) => mode),
      ['exclusive'],
    );
    assert.deepEqual(
      seen.pending.map(({ mode }) => mode),
      ['exclusive'],
    );
    for (const request of [...seen.held, ...seen.pending]) {
      assert.equal(request.clientId, clientId);
      assert.equal(request.age, undefined);
    }
    // One of another tab, behind a lock that is ours, has an age that we do not know.
    const granted = hold(other, 'k');
    await untilPending(page, 'k', asked.length + 1);
    const { pending } = await shown(page);
    const theirs = pending.filter((request) => request.clientId !== clientId);
    assert.deepEqual(
      theirs.map(({ mode, age }) => ({ mode, age })),
      [{ mode: 'exclusive', age: undefined }],
    );
    await release(page);
    await granted;
    await release(other);
    await page.evaluate(() => Promise.all(queued));
    assert.deepEqual(await inBrowser(page, 'k'), nothing);
  });

  test('a timeout names the own tab and counts those in front, and the queue goes on in order', async () => {
    const page = await tab();
    await handOver(page, ['a', 'b']);
    const clientId = await page.evaluate(async () => (await locks.query()).held[0].clientId);
    await page.evaluate(() => {
      globalThis.late = locks.lock('k', { timeout: 50 });
      late.catch(() => {});
      queued.push(locks.request('k', { timeout: 30_000 }, () => void served.push('c')));
    });
    const { code, message } = await failure(page, 'late');
    assert.equal(code, 'TIMED_OUT');
    const words = /^timed out .* after 50ms: held by client (\S+) for \d+m?s, 2 requests wait in front$/;
    assert.equal(words.exec(message)?.[1], clientId, message);

    const impatient = await failure(page, "locks.lock('k', { timeout: 0 })");
    assert.equal(impatient.code, 'TIMED_OUT');
    assert.match(impatient.message, new RegExp(`held by client ${clientId}`));
    assert.equal(await page.evaluate(() => locks.tryLock('k')), null);
    await release(page);
    assert.deepEqual(await served(page), ['a', 'b', 'c']);
    assert.deepEqual(await inBrowser(page, 'k'), nothing);
  });

  for (const isSeen of [false, true]) {
    const when = isSeen ? 'when the browser has a request of the head' : 'at once';
    test(`waits that are aborted leave the queue, ${when}`, async () => {
      const [page, other] = [await tab(), await tab()];
      await page.evaluate(async () => {
        globalThis.guard = await locks.lock('k', { timeout: 30_000 });
        globalThis.served = [];
        globalThis.controllers = Array.from({ length: 5 }, () => new AbortController());
        globalThis.queued = controllers.map(({ signal }, i) =>
          locks.request('k', { signal }, () => void served.push(i)).catch((reason) => reason),
        );
      });
      if (isSeen) await untilPending(other, 'k', 1);
      const { pending, reasons } = await page.evaluate(async () => {
        const gone = [2, 0];
        for (const i of gone) controllers[i].abort(`${i} has enough`);
        const reasons = await Promise.all(gone.map((i) => queued[i]));
        const { pending } = await locks.query();
        return { pending: pending.length, reasons };
      });
      assert.deepEqual([pending, reasons], [3, ['2 has enough', '0 has enough']]);
      await release(page);
      assert.deepEqual(await served(page), [1, 3, 4]);
      assert.deepEqual(await inBrowser(page, 'k'), nothing);
    });
  }

  for (const order of ['before', 'after']) {
    test(`the next has it if the head is aborted in the same task, just ${order} the release`, async () => {
      const page = await tab();
      const outcome = await page.evaluate(async (order) => {
        const controller = new AbortController();
        const guard = await locks.lock('k', { timeout: 30_000 });
        const served = [];
        const head = locks.request('k', { signal: controller.signal }, () => void served.push('head'));
        const next = locks.request('k', { timeout: 30_000 }, () => void served.push('next'));
        // They are in the queue a few microtasks later.
        while ((await locks.query()).pending.length < 2);
        if (order === 'before') controller.abort('enough');
        const released = guard.release();
        if (order === 'after') controller.abort('enough');
        const reason = await head.catch((reason) => reason);
        await Promise.all([released, next]);
        return { reason, served };
      }, order);
      assert.deepEqual(outcome, { reason: 'enough', served: ['next'] });
      assert.deepEqual(await inBrowser(page, 'k'), nothing);
    });
  }
});
