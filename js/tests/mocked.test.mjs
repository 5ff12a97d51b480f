// `navigator.locks` that throws, returns nonsense, calls back at once, twice or never: as test suites mock it, and
// libraries patch it. The call at hand ends in an error that says what was wrong; no lock leaks; and
// the next call works. (The mocks stand for what no real platform can be made to do.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebLockManager } from '../../pkg/index.js';
import { options, real, thrower, withLocks, worksFor } from './mocks.mjs';
import { freshKey, rejection } from './support.mjs';

const lock = { name: 'it looks like a lock', mode: 'exclusive' };
const never = () => new Promise(() => {});
/** What the error of a lock, a try and a steal says. Where a request may wait, it has `code`. */
const odd = {
  'returns undefined': { request: () => undefined, says: /request\(\) returned undefined, and no promise/ },
  'returns a number': { request: () => 42, says: /request\(\) returned 42, and no promise/ },
  'returns an object that is no promise': { request: () => ({}), says: /request\(\) returned no promise \(TypeError: / },
  'returns a symbol': { request: () => Symbol('s'), says: /returned Symbol\(s\), and no promise/ },
  throws: { request: thrower('broken'), says: /failed with Error: broken/ },
  'throws null': {
    request: () => {
      throw null;
    },
    says: /failed with a non-error: null/,
  },
  'throws what has no text': {
    request: () => {
      throw Object.create(null);
    },
    says: /has no text/,
  },
  'returns a promise that ends at once': { request: async () => {}, says: /ended without calling back/ },
  'rejects with nothing': { request: () => Promise.reject(), says: /failed with a non-error: undefined/ },
  'rejects with an error whose name throws': {
    request: () =>
      Promise.reject({
        get name() {
          throw 1;
        },
      }),
    says: /failed with a non-error/,
  },
  'returns something whose then throws': {
    request: () => ({
      get then() {
        throw new Error('then');
      },
    }),
    says: /returned no promise \(Error: then\)/,
  },
  'returns something that calls both and throws': {
    request: () => ({
      then(yes, no) {
        no(new Error('no'));
        yes();
        no();
        throw new Error('then');
      },
    }),
    says: /failed with Error: no/,
  },
  'is not there': { request: undefined, says: /is not a function/ },
};

describe('navigator.locks.request()', options, () => {
  const locks = new WebLockManager();

  for (const [what, { request, says }] of Object.entries(odd)) {
    test(`that ${what}`, async () => {
      const key = freshKey();
      await withLocks({ request }, async () => {
        for (const attempt of [
          () => locks.lock(key, { timeout: 5_000 }),
          () => locks.lock(key, { timeout: 0 }),
          () => locks.lock(key, { timeout: Infinity }),
          () => locks.tryLock(key),
          () => locks.lockMany([key], { timeout: 5_000 }),
          () => locks.request(key, { steal: true }, assert.fail),
          () => locks.request(key, assert.fail),
        ]) {
          const error = await rejection(attempt());
          assert.equal(error.code, 'UNAVAILABLE', String(error));
          assert.match(error.message, says);
        }
      });
      await worksFor(locks, key);
    });
  }

  for (const none of [null, undefined]) {
    test(`that always calls back with ${none}`, async () => {
      const key = freshKey();
      const request = async (_name, ...args) => args.at(-1)(none);
      await withLocks({ request }, async () => {
        for (const timeout of [5_000, Infinity]) {
          const error = await rejection(locks.lock(key, { timeout }));
          assert.equal(error.code, 'UNAVAILABLE');
          assert.match(error.message, /called back without a lock/);
        }
        assert.equal(await locks.tryLock(key), null);
      });
      await worksFor(locks, key);
    });
  }

  test('that rejects with an AbortError before it calls back: the lock was stolen', async () => {
    const key = freshKey();
    await withLocks(
      {
        request: async () => {
          throw new DOMException('stolen', 'AbortError');
        },
      },
      async () => {
        for (const attempt of [() => locks.lock(key, { timeout: 5_000 }), () => locks.tryLock(key)]) {
          const error = await rejection(attempt());
          assert.deepEqual([error.code, error.key], ['LOST', key]);
          assert.match(error.message, /it was stolen/);
        }
      },
    );
    await worksFor(locks, key);
  });

  test('that rejects first and calls back all the same: nobody is granted anything', async () => {
    const key = freshKey();
    const returned = [];
    const request = (_name, ...args) => {
      setTimeout(() => returned.push(args.at(-1)(lock)), 20);
      return Promise.reject(new DOMException('stolen', 'AbortError'));
    };
    const stolen = await withLocks({ request }, () => rejection(locks.lock(key, { timeout: 5_000 })));
    assert.equal(stolen.code, 'LOST');
    // The next one stands in its place, and waits.
    const held = await new Promise((granted) => void real.request(`crosslock::${key}`, () => new Promise((free) => granted(free))));
    let isGranted = false;
    const next = locks.lock(key, { timeout: 30_000 }).then((guard) => ((isGranted = true), guard));
    await sleep(100);
    assert.deepEqual(returned, [undefined]);
    assert.equal(isGranted, false);
    held();
    await (await next).release();
    await worksFor(locks, key);
  });

  test('that calls back at once and returns no promise: the lock is not ours', async () => {
    const key = freshKey();
    await withLocks({ request: (_name, ...args) => void args.at(-1)(lock) }, async () => {
      for (const attempt of [() => locks.lock(key, { timeout: 5_000 }), () => locks.tryLock(key)]) {
        const error = await rejection(attempt());
        assert.equal(error.code, 'LOST');
        assert.match(error.message, /request\(\) returned undefined, and no promise/);
      }
    });
    await worksFor(locks, key);
  });

  test('that calls back at once and holds until it is told: as good as any', async () => {
    const key = freshKey();
    await withLocks({ request: async (_name, ...args) => args.at(-1)(lock) }, async () => {
      const order = [];
      await Promise.all([1, 2, 3].map((number) => locks.request(key, () => void order.push(number))));
      assert.deepEqual(order, [1, 2, 3]);
      const guard = await locks.lock(key, { timeout: 0 });
      assert.equal(guard.lost.aborted, false);
      await guard.release();
    });
    await worksFor(locks, key);
  });

  test('that calls back twice, and once more later: there is one grant', async () => {
    const key = freshKey();
    const returned = [];
    let again;
    const request = async (_name, ...args) => {
      const callback = args.at(-1);
      again = () => returned.push(callback(lock));
      const held = callback(lock);
      again();
      await held;
    };
    await withLocks({ request }, async () => {
      const guard = await locks.lock(key, { timeout: 5_000 });
      assert.equal(await locks.tryLock(key), null);
      await guard.release();
      const next = await locks.lock(key, { timeout: 5_000 });
      again();
      await next.release();
      again();
    });
    assert.deepEqual(returned, [undefined, undefined, undefined, undefined]);
    await worksFor(locks, key);
  });

  test('that does its work and loses the promise: it is withdrawn', async () => {
    const key = freshKey();
    const held = await new Promise((granted) => void real.request(`crosslock::${key}`, () => new Promise((free) => granted(free))));
    const request = (...args) => void real.request(...args).catch(() => {});
    await withLocks({ request }, async () => {
      assert.equal((await rejection(locks.lock(key, { timeout: 5_000 }))).code, 'UNAVAILABLE');
    });
    held();
    await worksFor(locks, key);
  });

  test('that never answers: whatever has a timeout ends a second later at most, and says why', async () => {
    const key = freshKey();
    await withLocks({ request: never, query: never }, async () => {
      for (const timeout of [0, 300]) {
        const start = performance.now();
        const error = await rejection(locks.lock(key, { timeout }));
        assert.equal(error.code, 'TIMED_OUT');
        assert.match(error.message, /timed out acquiring lock ".*" after \d+\S+: the browser has not answered/);
        const late = performance.now() - start - timeout;
        assert.ok(late < 3_000, `${late} ms late`);
      }
      const signal = AbortSignal.timeout(50);
      assert.equal(await rejection(locks.lock(key, { timeout: Infinity, signal })), signal.reason);
    });
    await worksFor(locks, key);
  });

  test('that never answers: nor does what has no timeout wait for ever', async () => {
    const key = freshKey();
    await withLocks({ request: never, query: never }, async () => {
      const attempts = [locks.tryLock(key), locks.query(), locks.request(key, { steal: true }, assert.fail)];
      for (const error of await Promise.all(attempts.map(rejection))) {
        assert.equal(error.code, 'UNAVAILABLE');
        assert.match(error.message, /has not answered for 10 seconds/);
      }
    });
    await worksFor(locks, key);
  });

  test('that never says that a lock is released: the release ends all the same', async () => {
    const key = freshKey();
    const request = (name, ...args) => (args.at(-1)(lock), never());
    await withLocks({ request }, async () => {
      await (await locks.lock(key, { timeout: 0 })).release();
    });
    await worksFor(locks, key);
  });
});

describe('navigator.locks.query()', options, () => {
  const locks = new WebLockManager();
  const nonsense = /query\(\) answered without the arrays held and pending/;
  for (const [what, query, says] of [
    ['resolves to {}', async () => ({}), nonsense],
    ['resolves to undefined', async () => undefined, nonsense],
    ['resolves to null', async () => null, nonsense],
    ['resolves to strings', async () => ({ held: 'held', pending: 'pending' }), nonsense],
    ['has no pending', async () => ({ held: [] }), nonsense],
    [
      'has a getter that throws',
      async () => ({
        get held() {
          throw new Error('held');
        },
      }),
      nonsense,
    ],
    ['rejects', () => Promise.reject(new Error('broken')), /failed with Error: broken/],
    ['rejects with nothing', () => Promise.reject(), /failed with a non-error: undefined/],
    ['returns undefined', () => undefined, /query\(\) returned undefined, and no promise/],
    ['throws', thrower('broken'), /failed with Error: broken/],
    ['is not there', undefined, /is not a function/],
  ]) {
    test(`that ${what}`, async () => {
      const key = freshKey();
      await withLocks({ query }, async () => {
        const error = await rejection(locks.query());
        assert.equal(error.code, 'UNAVAILABLE');
        assert.match(error.message, says);
        // Not to know who is in the way is no reason not to say that the time is up.
        const guard = await locks.lock(key, { timeout: 0 });
        assert.equal((await rejection(locks.lock(key, { timeout: 20 }))).code, 'TIMED_OUT');
        assert.equal((await rejection(locks.lock(key, { timeout: 0 }))).code, 'TIMED_OUT');
        await guard.release();
      });
      await worksFor(locks, key);
    });
  }

  test('that lists nonsense beside locks', async () => {
    const key = freshKey();
    const name = `crosslock::${key}`;
    const odd = [
      null,
      undefined,
      7,
      'lock',
      {},
      { name: 7 },
      { name, mode: 7 },
      {
        get name() {
          throw 1;
        },
      },
    ];
    const held = [...odd, { name, mode: 'shared', clientId: {} }];
    await withLocks({ query: async () => ({ held, pending: odd }) }, async () => {
      const snapshot = await locks.query();
      assert.deepEqual(
        snapshot.held.map((info) => [info.key, info.mode, info.client]),
        [[key, 'shared', undefined]],
      );
      assert.deepEqual(snapshot.pending, []);
    });
    await worksFor(locks, key);
  });
});
