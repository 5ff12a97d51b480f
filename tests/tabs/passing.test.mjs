// A lock is passed on among the tasks of one tab; and the other tabs have their turn all the same.
// (How the waits of a page end that goes into the back/forward cache: cache.test.mjs.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, failure, hold, known, release, untilPending } from './support.mjs';

/** In a page: tasks that come and go, as `crowd`. */
const crowd = () => {
  let turns = 0;
  let goesOn = true;
  let present = 0;
  let done;
  const crowd = {
    turns: () => turns,
    present: () => present,
    /** A turn: a millisecond of work, and then whatever else the page has to do. */
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
    /** So many tasks that want the lock again as soon as they have had it. */
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

/** Resolves when the page has taken so many turns. */
const untilTurns = (page, count) => page.waitForFunction((count) => crowd.turns() >= count, count);

/**
 * The page holds, as `guard`, a lock that was passed on. Those who wait in its line append their names
 * to `had`.
 */
const passOn = (page, names) =>
  page.evaluate(async (names) => {
    const first = await locks.lock('k', { timeout: 30_000 });
    const second = locks.lock('k', { timeout: 30_000 });
    globalThis.had = [];
    globalThis.line = names.map((name) => locks.request('k', { timeout: 30_000 }, () => void had.push(name)));
    await first.release();
    globalThis.guard = await second;
  }, names);

/** Who of the line had it, in the end. */
const had = (page) => page.evaluate(() => Promise.all(line).then(() => globalThis.had));

const nothing = { held: 0, pending: 0 };

describe('passing on', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  async function crowdedTab() {
    const page = await tab();
    await page.evaluate(crowd);
    return page;
  }

  test('the tasks of a tab have the lock in the order in which they asked, readers together', async () => {
    const page = await crowdedTab();
    const { order, disturbed } = await page.evaluate(async () => {
      const first = await locks.lock('k', { timeout: 30_000 });
      const [order, disturbed, waits] = [[], [], []];
      let writers = 0;
      const ask = (mode, task) => {
        const number = waits.length;
        const wait = locks.request('k', { mode, timeout: 30_000 }, () => (order.push(number), task(number)));
        waits.push(wait);
      };
      for (let i = 0; i < 20; i++) {
        ask('exclusive', async (number) => {
          if (crowd.present() > 0) disturbed.push(number);
          writers++;
          await crowd.turn();
          writers--;
        });
        let missing = 4;
        let allAreHere;
        const together = new Promise((resolve) => (allAreHere = resolve));
        for (let j = 0; j < 4; j++) {
          ask('shared', async (number) => {
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
    assert.deepEqual(await known(page, 'k'), nothing);
  });

  test('another tab has its turn long before hundreds of tasks that asked earlier', async (t) => {
    const [busy, other] = [await crowdedTab(), await tab()];
    await hold(busy, 'k');
    await busy.evaluate(() => {
      const ask = () => locks.request('k', { timeout: 60_000 }, crowd.turn);
      globalThis.waits = Array.from({ length: 500 }, ask);
    });
    // The worst place: behind the first of them, whom the browser knows of.
    await untilPending(other, 'k', 1);
    const granted = hold(other, 'k');
    await untilPending(other, 'k', 2);
    await release(busy);
    await granted;
    const turns = () => busy.evaluate(() => crowd.turns());
    const meanwhile = await turns();
    t.diagnostic(`${meanwhile} turns of the busy tab meanwhile`);
    // The one lease is ten milliseconds of one each.
    assert.ok(meanwhile <= 50, `${meanwhile}`);
    await release(other);
    await busy.evaluate(() => Promise.all(waits));
    assert.equal(await turns(), 500);
    assert.deepEqual(await known(other, 'k'), nothing);
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
      assert.deepEqual(await known(other, 'k'), nothing);
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
        const ask = () => locks.request('k', { timeout: 60_000 }, () => {});
        await Promise.all(Array.from({ length: 500 }, ask));
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
    assert.equal((await known(one, 'k')).held, 2, 'one for each tab, as the browser sees it');
    const granted = hold(two, 'k');
    await untilPending(one, 'k', 1);
    await one.evaluate(() => Promise.all(guards.map((guard) => guard.release())));
    await two.evaluate(() => Promise.all(guards.slice(1).map((guard) => guard.release())));
    assert.equal(await one.evaluate(() => locks.tryLock('k')), null);
    assert.deepEqual(await known(one, 'k'), { held: 1, pending: 1 }, 'one reader is left');
    await two.evaluate(() => guards[0].release());
    await granted;
    await release(two);
    assert.deepEqual(await known(one, 'k'), nothing);
  });

  test('a steal from another tab: who holds the lock now has lost it; the line stays, and is next', async () => {
    const [victim, thief] = [await tab(), await tab()];
    await passOn(victim, ['a', 'b', 'c']);
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
    assert.deepEqual(await victim.evaluate(() => globalThis.had), []);
    await thief.evaluate(() => (finish(), stolen));
    assert.deepEqual(await had(victim), ['a', 'b', 'c']);
    assert.deepEqual(await known(thief, 'k'), nothing);
  });

  test('a steal inside the tab: the line stays, and is next', async () => {
    const page = await tab();
    await passOn(page, ['a', 'b']);
    const seen = await page.evaluate(() =>
      locks.request('k', { steal: true }, async () => {
        const { held, pending } = await locks.query();
        const lost = guard.lost.aborted && guard.lost.reason.code;
        return { lost, held: held.length, pending: pending.length, had: [...had] };
      }),
    );
    assert.deepEqual(seen, { lost: 'LOST', held: 1, pending: 2, had: [] });
    assert.deepEqual(await had(page), ['a', 'b']);
    assert.deepEqual(await known(page, 'k'), nothing);
  });

  test('a tab that is closed while it passes a lock on leaves it to another tab', async () => {
    const [gone, other] = [await tab(), await tab()];
    await passOn(gone, ['a', 'b', 'c']);
    await untilPending(other, 'k', 1);
    const granted = hold(other, 'k');
    await untilPending(other, 'k', 2);
    await gone.close();
    await granted;
    assert.deepEqual(await known(other, 'k'), { held: 1, pending: 0 });
  });
});

describe('a line of tasks', { timeout: 120_000 }, () => {
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
      const ask = (mode) => (later(), locks.request('k', { mode, timeout: 30_000 }, () => {}));
      globalThis.line = asked.map(ask);
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
    await page.evaluate(() => Promise.all(line));
    assert.deepEqual(await known(page, 'k'), nothing);
  });

  test('a timeout names the own tab and counts those in front, and the line goes on in order', async () => {
    const page = await tab();
    await passOn(page, ['a', 'b']);
    const clientId = await page.evaluate(async () => (await locks.query()).held[0].clientId);
    await page.evaluate(() => {
      globalThis.late = locks.lock('k', { timeout: 50 });
      late.catch(() => {});
      line.push(locks.request('k', { timeout: 30_000 }, () => void had.push('c')));
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
    assert.deepEqual(await had(page), ['a', 'b', 'c']);
    assert.deepEqual(await known(page, 'k'), nothing);
  });

  for (const isSeen of [false, true]) {
    const when = isSeen ? 'also when the browser knows of the head' : 'at once';
    test(`waits that are aborted leave the line, ${when}`, async () => {
      const [page, other] = [await tab(), await tab()];
      await page.evaluate(async () => {
        globalThis.guard = await locks.lock('k', { timeout: 30_000 });
        globalThis.had = [];
        globalThis.controllers = Array.from({ length: 5 }, () => new AbortController());
        globalThis.line = controllers.map(({ signal }, i) =>
          locks.request('k', { signal }, () => void had.push(i)).catch((reason) => reason),
        );
      });
      if (isSeen) await untilPending(other, 'k', 1);
      const { pending, reasons } = await page.evaluate(async () => {
        const gone = [2, 0];
        for (const i of gone) controllers[i].abort(`${i} has enough`);
        const reasons = await Promise.all(gone.map((i) => line[i]));
        const { pending } = await locks.query();
        return { pending: pending.length, reasons };
      });
      assert.deepEqual([pending, reasons], [3, ['2 has enough', '0 has enough']]);
      await release(page);
      assert.deepEqual(await had(page), [1, 3, 4]);
      assert.deepEqual(await known(page, 'k'), nothing);
    });
  }

  for (const order of ['before', 'after']) {
    test(`the next has it if the head is aborted in the same breath, just ${order} the release`, async () => {
      const page = await tab();
      const outcome = await page.evaluate(async (order) => {
        const controller = new AbortController();
        const guard = await locks.lock('k', { timeout: 30_000 });
        const had = [];
        const head = locks.request('k', { signal: controller.signal }, () => void had.push('head'));
        const next = locks.request('k', { timeout: 30_000 }, () => void had.push('next'));
        // They are in the line a few microtasks later.
        while ((await locks.query()).pending.length < 2);
        if (order === 'before') controller.abort('enough');
        const released = guard.release();
        if (order === 'after') controller.abort('enough');
        const reason = await head.catch((reason) => reason);
        await Promise.all([released, next]);
        return { reason, had };
      }, order);
      assert.deepEqual(outcome, { reason: 'enough', had: ['next'] });
      assert.deepEqual(await known(page, 'k'), nothing);
    });
  }
});
