// Steals at a bad time: while the grant that they take away is still on its way. WebKit then rejects the
// promise of that request first, and runs its callback all the same.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, hold, inBrowser, release, untilPending } from './support.mjs';

const nothing = { held: 0, pending: 0 };

/** In a page: `endOf` says how a call ended, and `tasks` hold a lock until they are told to finish or have lost it. */
const prepare = (passing) => {
  globalThis.locks = new WebLockManager({ passing });
  globalThis.endOf = (promise) => {
    const end = promise.then(
      () => 'done',
      (error) => (error instanceof LockError ? error.code : error.name),
    );
    // If the module traps, the promise stays pending for ever.
    return Promise.race([end, new Promise((resolve) => setTimeout(resolve, 20_000, 'never settled'))]);
  };
  globalThis.tasks = {
    present: new Set(),
    /** How many hold the lock as far as their guards say. */
    holders: () => [...tasks.present].filter(({ lost }) => !lost.aborted).length,
    run(guard) {
      tasks.present.add(guard);
      const { promise, resolve } = Promise.withResolvers();
      tasks.finish = resolve;
      guard.lost.addEventListener('abort', resolve);
      return promise.finally(() => tasks.present.delete(guard));
    },
  };
};

/** Uses two keys, as an application would afterwards. */
const stillWorks = (page) =>
  page.evaluate(async () => {
    const used = [];
    for (const key of ['k', 'other']) await locks.request(key, { timeout: 10_000 }, () => void used.push(key));
    const guard = await locks.lock('k', { timeout: 10_000 });
    used.push(await locks.tryLock('k'));
    await guard.release();
    return used;
  });

for (const passing of [true, false]) {
  describe(`steals, with passing: ${passing}`, { timeout: 300_000 }, () => {
    const { tab: plainTab, answer } = browserTests();

    async function tab() {
      const page = await plainTab();
      await page.evaluate(prepare, passing);
      return page;
    }

    /** Blocks the main thread of the page while `meanwhile` runs. */
    async function whileBusy(page, meanwhile) {
      const requested = new Promise((resolve) => answer('/busy', (request, response) => resolve(response)));
      const busy = page.evaluate(() => {
        const request = new XMLHttpRequest();
        request.open('GET', '/busy', false);
        request.send();
      });
      const response = await requested;
      await meanwhile();
      response.end();
      await busy;
    }

    // Each test has a timeout of its own, so that one which hangs does not hide the results of the others.
    const limit = { timeout: 60_000 };

    test('ten at once: one after the other holds the lock, and the last one keeps it', limit, async () => {
      const page = await tab();
      for (let round = 0; round < 3; round++) {
        const { crowded, ends } = await page.evaluate(async () => {
          let crowded = 0;
          const ends = await Promise.all(
            Array.from({ length: 10 }, () =>
              endOf(
                locks.request('k', { steal: true }, (guard) => {
                  const ended = tasks.run(guard);
                  if (tasks.holders() > 1) crowded++;
                  setTimeout(tasks.finish, 50);
                  return ended;
                }),
              ),
            ),
          );
          return { crowded, ends };
        });
        assert.equal(crowded, 0);
        assert.deepEqual(ends, [...Array(9).fill('AbortError'), 'done']);
        assert.deepEqual(await stillWorks(page), ['k', 'other', null]);
      }
      assert.deepEqual(await inBrowser(page, 'k'), nothing);
    });

    test('no task runs beside a thief that came while its tab was busy', limit, async () => {
      const [victim, thief] = [await tab(), await tab()];
      for (let round = 0; round < 10; round++) {
        await hold(thief, 'k');
        await victim.evaluate(() => {
          const request = () => endOf(locks.request('k', { timeout: 60_000 }, tasks.run));
          globalThis.stolenFrom = request();
          globalThis.next = request();
        });
        await untilPending(thief, 'k', passing ? 1 : 2);
        await whileBusy(victim, () =>
          thief.evaluate(async () => {
            await guard.release();
            await new Promise((resolve) => {
              globalThis.stolen = locks.request('k', { steal: true }, (guard) => (resolve(), tasks.run(guard)));
            });
          }),
        );
        assert.equal(await victim.evaluate(() => stolenFrom), 'AbortError');
        // All earlier messages of the browser come before this answer.
        await victim.evaluate(() => navigator.locks.query().then(() => {}));
        assert.equal(await victim.evaluate(() => tasks.holders()), 0);
        await untilPending(victim, 'k', 1);
        await thief.evaluate(() => (tasks.finish(), stolen));
        await victim.waitForFunction(() => tasks.holders() === 1);
        assert.equal(await victim.evaluate(() => (tasks.finish(), next)), 'done');
      }
      for (const page of [victim, thief]) assert.deepEqual(await stillWorks(page), ['k', 'other', null]);
      assert.deepEqual(await inBrowser(thief, 'k'), nothing);
    });

    test('lock() whose grant is stolen ends in LOST, or in a guard that has lost its lock', limit, async () => {
      const [victim, thief] = [await tab(), await tab()];
      await hold(thief, 'k');
      await victim.evaluate(() => {
        globalThis.stolenFrom = locks.lock('k', { timeout: 60_000 });
        stolenFrom.catch(() => {});
      });
      await untilPending(thief, 'k', 1);
      await whileBusy(victim, () =>
        thief.evaluate(async () => {
          await guard.release();
          await new Promise((resolve) => {
            globalThis.stolen = locks.request('k', { steal: true }, (guard) => (resolve(), tasks.run(guard)));
          });
        }),
      );
      const loss = await victim.evaluate(async () => {
        const { lost } = await stolenFrom.catch((reason) => ({ lost: { aborted: true, reason } }));
        if (!lost.aborted) await new Promise((resolve) => lost.addEventListener('abort', resolve));
        const { name, code, key } = lost.reason;
        return { name, code, key };
      });
      assert.deepEqual(loss, { name: 'LockError', code: 'LOST', key: 'k' });
      await thief.evaluate(() => (tasks.finish(), stolen));
      assert.deepEqual(await stillWorks(victim), ['k', 'other', null]);
      assert.deepEqual(await inBrowser(thief, 'k'), nothing);
    });

    test('a victim that requests another key at once is not granted one that is held', limit, async () => {
      const [page, holder] = [await tab(), await tab()];
      await hold(holder, 'other');
      for (let round = 0; round < 10; round++) {
        const { granted, ends } = await page.evaluate(async () => {
          const controller = new AbortController();
          const granted = [];
          const requestOther = async (error) => {
            const wait = locks.request('other', { signal: controller.signal }, () => void granted.push('other'));
            return `${error.name}, then ${await endOf(wait)}`;
          };
          const ends = Array.from({ length: 10 }, () =>
            locks.request('k', { steal: true }, () => new Promise((resolve) => setTimeout(resolve, 50))).then(() => 'done', requestOther),
          );
          await ends.at(-1);
          // All earlier messages of the browser come before this answer.
          await navigator.locks.query();
          controller.abort(new DOMException('enough', 'AbortError'));
          return { granted, ends: await Promise.all(ends) };
        });
        assert.deepEqual(granted, []);
        assert.deepEqual(ends, [...Array(9).fill('AbortError, then AbortError'), 'done']);
      }
      await release(holder);
      assert.deepEqual(await stillWorks(page), ['k', 'other', null]);
      assert.deepEqual(await inBrowser(page, 'other'), nothing);
    });
  });
}
