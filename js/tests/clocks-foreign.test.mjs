// Timers and clocks that throw, return nonsense, call back at once, or are missing: each ends one call, with
// an error that says so, or nothing at all; no lock is lost by it, and the next call works.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryLockManager, WebLockManager } from '../../pkg/index.js';
import { freshKey, hasWebLocks, nothing, rejection, requestsFor, runNode } from './support.mjs';

/** Runs `work` while a property of an object is another, or missing. */
async function replaced(object, name, value, work) {
  const original = Object.getOwnPropertyDescriptor(object, name);
  if (value === missing) delete object[name];
  else Object.defineProperty(object, name, { value, configurable: true, writable: true });
  try {
    return await work();
  } finally {
    delete object[name];
    if (original) Object.defineProperty(object, name, original);
  }
}

const missing = Symbol('missing');
const throws = () => {
  throw new RangeError('no timers here');
};
const returns = (value) => () => value;
const bad = {
  toString: throws,
  valueOf: throws,
};
const oddValues = [undefined, null, NaN, 'soon', true, Symbol('odd'), 7n, {}, bad];
const shown = (value) => (typeof value === 'symbol' ? 'a symbol' : value === bad ? 'what has no text' : String(value));

const managers = [MemoryLockManager, ...(hasWebLocks ? [WebLockManager] : [])];

for (const Manager of managers) {
  describe(Manager.name, { timeout: 60_000 }, () => {
    const locks = new Manager();

    const broken = [
      ['is missing', missing, /setTimeout/],
      ['throws', throws, /setTimeout threw RangeError: no timers here/],
      [
        'throws what has no text',
        () => {
          throw bad;
        },
        /setTimeout threw what has no text/,
      ],
      ['calls back at once', (callback) => (callback(), 1), /setTimeout called back at once/],
      ...[undefined, null, 'soon', true, Symbol('odd')].map((value) => [`returns ${shown(value)}`, returns(value), /setTimeout returned/]),
    ];
    for (const [what, setTimeout, message] of broken) {
      test(`setTimeout ${what}: who has to wait is told so, and nobody else notices`, async () => {
        const key = freshKey('set');
        await replaced(globalThis, 'setTimeout', setTimeout, async () => {
          const guard = await locks.lock(key, { timeout: 0 });
          const error = await rejection(locks.lock(key, { timeout: 1000 }));
          assert.equal(error.code, 'UNAVAILABLE');
          assert.match(error.message, message);
          assert.equal((await rejection(locks.lock(key, { timeout: 0 }))).code, 'TIMED_OUT');
          const endless = locks.lock(key, { timeout: Infinity });
          await guard.release();
          await (await endless).release();
          // Who is granted at once needs no timer. A browser's answer is to be waited for.
          if (Manager === MemoryLockManager) await (await locks.lockMany([key, freshKey('set')], { timeout: 1000 })).release();
        });
        assert.deepEqual(await requestsFor(locks, key), nothing);
        await (await locks.lock(key, { timeout: 10_000 })).release();
      });

      test(`setTimeout ${what}: a manager that warns of long holds does without`, async () => {
        const key = freshKey('warn');
        const warning = new Manager({ warnAfter: 10_000 });
        await replaced(globalThis, 'setTimeout', setTimeout, async () => {
          const guard = await warning.lock(key, { timeout: 0 });
          await guard.release();
        });
        assert.deepEqual(await requestsFor(locks, key), nothing);
      });
    }

    test('a timer that came too late, or twice, ends no other wait', async () => {
      const key = freshKey('late');
      const callbacks = [];
      await replaced(
        globalThis,
        'setTimeout',
        (callback) => callbacks.push(callback),
        async () => {
          const guard = await locks.lock(key, { timeout: 0 });
          const first = locks.lock(key, { timeout: 1000 });
          await guard.release();
          const held = await first;
          const second = locks.lock(key, { timeout: 1000 }).then((guard) => guard.release());
          for (const callback of callbacks.splice(0, 1)) callback(), callback();
          await held.release();
          await second;
        },
      );
      for (const callback of callbacks) callback();
      await (await locks.lock(key, { timeout: 10_000 })).release();
    });

    const clears = [
      ['is missing', missing],
      ['throws', throws],
      ['is no function', 7],
      ['uses locks', () => void locks.tryLock(freshKey('clear')).then((guard) => guard?.release())],
    ];
    for (const [what, clearTimeout] of clears) {
      test(`clearTimeout ${what}: nobody notices`, async () => {
        const key = freshKey('clear');
        await replaced(globalThis, 'clearTimeout', clearTimeout, async () => {
          const guard = await new Manager({ warnAfter: 20 }).lock(key, { timeout: 0 });
          const wait = locks.lock(key, { timeout: 20 });
          await guard.release();
          await (await wait).release();
        });
        // What could not be cleared goes off meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 40));
        assert.deepEqual(await requestsFor(locks, key), nothing);
        await (await locks.lock(key, { timeout: 10_000 })).release();
      });
    }

    const nows = [
      ['throws', throws],
      [
        'uses locks',
        () => (
          void locks.tryLock(freshKey('now')).then(
            (guard) => guard?.release(),
            () => {},
          ),
          5
        ),
      ],
      ...oddValues.map((value) => [`returns ${shown(value)}`, returns(value)]),
    ];
    for (const [what, now] of nows) {
      let depth = 0;
      // One that comes back for every time that it is asked would never end.
      const once = () => (depth++ < 20 ? now() : 5);
      for (const broken of [['performance'], ['performance', 'Date']]) {
        test(`now() of ${broken.join(' and ')} ${what}: waits end in time, and ages are numbers`, async () => {
          depth = what === 'uses locks' ? 0 : -Infinity;
          const work = () => timesOut(locks);
          const [first, second] = broken.map((name) => globalThis[name]);
          await replaced(first, 'now', once, () => (second ? replaced(second, 'now', once, work) : work()));
          await timesOut(locks);
        });
      }
    }

    test('without `performance`, time is that of Date', async () => {
      await replaced(globalThis, 'performance', missing, () => timesOut(locks));
      await replaced(globalThis, 'performance', {}, () => timesOut(locks));
      await timesOut(locks);
    });
  });
}

async function timesOut(locks) {
  const key = freshKey('now');
  const guard = await locks.lock(key, { timeout: 0 });
  const wait = locks.lock(key, { timeout: 20 });
  const { held } = await locks.query();
  const { age } = held.find((request) => request.key === key);
  assert.ok(age >= 0 && age < 60_000, `${age}`);
  const error = await rejection(wait);
  assert.equal(error.code, 'TIMED_OUT', error.message);
  // For weeks or years it was not.
  assert.doesNotMatch(error.message, /for \d{4,}/);
  await guard.release();
  assert.deepEqual(await requestsFor(locks, key), nothing);
}

test('the first call of all needs no timer', async () => {
  for (const setTimeout of ['undefined', '() => { throw new Error() }', '() => undefined']) {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      globalThis.setTimeout = ${setTimeout};
      const locks = new MemoryLockManager();
      for (let i = 0; i < 2; i++) await (await locks.lock('k', { timeout: 10 })).release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), { code: 0, stdout: 'done\n', stderr: '' });
  }
});

describe('what Node is asked for while somebody waits', { skip: !hasWebLocks, timeout: 60_000 }, () => {
  const odd = {
    'AbortSignal.timeout': ['undefined', '() => { throw new Error() }', '() => undefined', '() => null', '() => 7', '() => ({})'],
    'globalThis.MessageChannel': [
      'undefined',
      '() => 7',
      'class {}',
      'class { get port1() { throw new Error() } }',
      'class { port1 = {} }',
    ],
  };
  for (const [name, values] of Object.entries(odd)) {
    for (const value of values) {
      // In a process of its own, as the first use counts.
      test(`${name} = ${value}: nobody notices`, async () => {
        const source = `
          import { WebLockManager } from 'crosslock';
          ${name} = ${value};
          const locks = new WebLockManager();
          const guard = await locks.lock('k', { timeout: 1000 });
          const wait = locks.lock('k', { timeout: 10_000 });
          await guard.release();
          await (await wait).release();
          console.log((await locks.query()).held.length);
        `;
        assert.deepEqual(await runNode(source), { code: 0, stdout: '0\n', stderr: '' });
      });
    }
  }
});
