// Platforms that throw, return nonsense, call back at once, twice or never: as test suites mock them, and
// libraries patch them. The call at hand ends in an error that says what was wrong; no lock leaks; and
// the next call works. (The mocks stand for what no real platform can be made to do.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebLockManager } from '../../pkg/index.js';
import { freshKey, hasWebLocks, nothing, rejection, requestsFor, runNode } from './support.mjs';

const options = { timeout: 60_000, skip: !hasWebLocks && 'this Node has no Web Locks' };
const real = globalThis.navigator?.locks;

/** Runs `body` with `value` in place of a global's property. */
async function replaced(object, name, descriptor, body) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { configurable: true, ...descriptor });
  try {
    return await body();
  } finally {
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  }
}

/** With `navigator.locks`, of which some methods are others. */
const withLocks = (mocks, body) => {
  const bound = { request: real.request.bind(real), query: real.query.bind(real) };
  return replaced(navigator, 'locks', { value: { ...bound, ...mocks } }, body);
};

/** All that goes wrong is an error of the call at hand, and not the process's. */
const noise = [];
for (const event of ['unhandledRejection', 'uncaughtException']) process.on(event, (error) => noise.push(error));

/** The key is free, for us and for others, and the module works. */
async function worksFor(locks, key) {
  const guard = await locks.lock(key, { timeout: 5_000 });
  assert.equal(guard.lost.aborted, false);
  assert.equal(await locks.tryLock(key), null);
  await guard.release();
  await (await locks.tryLock(key)).release();
  assert.deepEqual(await requestsFor(locks, key), nothing);
  const { held } = await real.query();
  assert.deepEqual(
    held.filter(({ name }) => name.endsWith(key)),
    [],
  );
  assert.deepEqual(noise.splice(0), []);
}

const lock = { name: 'it looks like a lock', mode: 'exclusive' };
const never = () => new Promise(() => {});
const thrower = (message) => () => {
  throw new Error(message);
};
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
    const robbed = await withLocks({ request }, () => rejection(locks.lock(key, { timeout: 5_000 })));
    assert.equal(robbed.code, 'LOST');
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

describe('what it takes beside navigator.locks', options, () => {
  const locks = new WebLockManager();

  /** Fails, if it does, with an error that names what was wrong; and works again. */
  async function fails(replace, says) {
    const key = freshKey();
    const error = await replace(() => rejection(locks.lock(key, { timeout: 5_000 })));
    assert.equal(error.code, 'UNAVAILABLE', String(error));
    assert.match(error.message, says);
    await worksFor(locks, key);
  }

  const broken = { get: thrower('broken') };
  test('a navigator that throws', () => fails((body) => replaced(globalThis, 'navigator', broken, body), /failed with Error: broken/));
  test('a navigator that is null', () =>
    fails((body) => replaced(globalThis, 'navigator', { value: null }, body), /has no navigator.locks/));
  test('a navigator whose locks throw', () => fails((body) => replaced(navigator, 'locks', broken, body), /failed with Error: broken/));
  test('locks that are no object', () => fails((body) => replaced(navigator, 'locks', { value: 'locks' }, body), /has no navigator.locks/));
  test('no Function.prototype.bind, which it does without', async () => {
    const key = freshKey();
    await replaced(Function.prototype, 'bind', { value: undefined }, async () => (await locks.lock(key, { timeout: 5_000 })).release());
    await worksFor(locks, key);
  });
  test('a Promise.resolve that throws, which it does without', async () => {
    const key = freshKey();
    await replaced(Promise, 'resolve', { value: thrower('broken'), writable: true }, async () => {
      await locks.query();
      await (await locks.lock(key, { timeout: 0 })).release();
    });
    await worksFor(locks, key);
  });

  // An AbortController is made once for many requests: in a process of its own each comes first.
  for (const [what, controller, says] of [
    ['is missing', 'undefined', 'AbortController is not defined'],
    ['throws', 'class { constructor() { throw new Error("broken"); } }', 'Error: broken'],
    ['has a signal that throws', 'class { get signal() { throw new Error("broken"); } }', 'Error: broken'],
    ['has a signal that is none', 'class { signal = 7 }', 'signal is not an object'],
  ]) {
    test(`an AbortController that ${what}`, async () => {
      const { stdout } = await runNode(`
        import { WebLockManager } from 'crosslock';
        // In Node itself none is made: as in a page of Electron, which is a browser with Node's process.
        Object.defineProperty(process, 'type', { value: 'renderer' });
        const real = AbortController;
        ${controller === 'undefined' ? 'delete globalThis.AbortController' : `globalThis.AbortController = ${controller}`};
        const locks = new WebLockManager();
        console.log(await locks.lock('k', { timeout: 5_000 }).catch(({ code, message }) => code + ' ' + message));
        globalThis.AbortController = real;
        await (await locks.lock('k', { timeout: 0 })).release();
        await (await locks.lock('k', { timeout: 5_000 })).release();
        console.log('works');
      `);
      const [failure, works] = stdout.split('\n');
      assert.match(failure, /^UNAVAILABLE /);
      assert.ok(failure.includes(says), failure);
      assert.equal(works, 'works');
    });
  }

  test("an abort() that throws: the wait is over, and what comes of it later is nobody's", async () => {
    const { stdout } = await runNode(`
      import { WebLockManager } from 'crosslock';
      const { abort } = AbortController.prototype;
      const locks = new WebLockManager();
      let free;
      await new Promise((granted) => navigator.locks.request('crosslock::k', () => (granted(), new Promise((resolve) => (free = resolve)))));
      AbortController.prototype.abort = () => { throw new Error('broken'); };
      console.log(await locks.lock('k', { timeout: 50 }).catch(({ code }) => code));
      AbortController.prototype.abort = abort;
      const next = locks.lock('k', { timeout: 5_000 });
      free();
      await (await next).release();
      console.log('works');
    `);
    assert.equal(stdout, 'TIMED_OUT\nworks\n');
  });

  for (const [what, start] of [
    ['a process that throws', `Object.defineProperty(globalThis, 'process', { get() { throw new Error('broken'); } });`],
    ['a process without versions', `globalThis.process = {};`],
    ['a process whose versions are null', `globalThis.process = { versions: null };`],
    ['a user agent that throws', `Object.defineProperty(navigator, 'userAgent', { get() { throw new Error('broken'); } });`],
    ['a String that throws', `globalThis.String = () => { throw new Error('broken'); };`],
    ['a document that throws', `Object.defineProperty(globalThis, 'document', { get() { throw new Error('broken'); } });`],
  ]) {
    test(what, async () => {
      const { stdout } = await runNode(`
        import { WebLockManager } from 'crosslock';
        const { log } = console;
        ${start}
        const locks = new WebLockManager();
        const guard = await locks.lock('k', { timeout: 5_000 });
        const waits = [1, 2].map((number) => locks.request('k', () => number));
        await guard.release();
        log(...(await Promise.all(waits)), (await locks.query()).held.length);
      `);
      assert.equal(stdout, '1 2 0\n');
    });
  }

  for (const [name, fake] of [
    ['Bun (1.3.0)', `process.versions.bun = '1.3.0';`],
    ['Deno (2.5.0)', `process.versions.deno = '2.5.0';`],
    ['workerd (Cloudflare-Workers)', `Object.defineProperty(navigator, 'userAgent', { value: 'Cloudflare-Workers' });`],
  ]) {
    test(`the error names the runtime that has no locks: ${name}`, async () => {
      // Their own tests run them (tests/places); here they are imitated, each by what it says of itself.
      const { stdout } = await runNode(`
        import { WebLockManager } from 'crosslock';
        Object.defineProperty(process, 'versions', { value: { ...process.versions } });
        ${fake}
        Object.defineProperty(navigator, 'locks', { value: undefined });
        console.log(await new WebLockManager().tryLock('k').catch(({ message }) => message));
      `);
      assert.ok(stdout.includes(`${name} has no navigator.locks`), stdout);
    });
  }

  // A page cannot be had in Node, so this one is made of the few things that are looked at.
  const page = `
    const listeners = {};
    const listen = (event, listener) => void (listeners[event] = listener);
    globalThis.document = { visibilityState: 'visible', addEventListener: listen };
    globalThis.addEventListener = listen;
    const { WebLockManager } = await import('crosslock');
    const locks = new WebLockManager();
  `;

  test('a page that cannot be listened to has no locks until it can', async () => {
    const { stdout } = await runNode(`${page}
      globalThis.addEventListener = () => { throw new Error('broken'); };
      console.log(await locks.lock('k', { timeout: 5_000 }).catch(({ code, message }) => code + ' ' + message));
      globalThis.addEventListener = listen;
      document.addEventListener = undefined;
      console.log((await locks.tryLock('k').catch(({ code }) => code)));
      document.addEventListener = listen;
      await (await locks.lock('k', { timeout: 5_000 })).release();
      console.log(Object.keys(listeners).sort().join());
    `);
    const [failure, ...rest] = stdout.split('\n');
    assert.match(failure, /^UNAVAILABLE .*addEventListener\("pagehide"\) threw Error: broken/);
    assert.deepEqual(rest, ['UNAVAILABLE', 'pagehide,visibilitychange', '']);
  });

  test('a page that goes into the back/forward cache: its guards and its waits are LOST', async () => {
    const { stdout } = await runNode(`${page}
      const guard = await locks.lock('k', { timeout: 0 });
      const wait = locks.lock('k', { timeout: 5_000 }).catch(({ code, key, message }) => [code, key, message].join(' '));
      // Events that are none are no reason to lose anything.
      for (const event of [{}, { persisted: false }, { get persisted() { throw 1; } }, undefined]) listeners.pagehide(event);
      console.log(guard.lost.aborted);
      listeners.pagehide({ persisted: true });
      console.log(guard.lost.aborted, guard.lost.reason.code);
      console.log(await wait);
      await guard.release();
      await (await locks.lock('k', { timeout: 5_000 })).release();
    `);
    const why = 'the page went into the back/forward cache';
    assert.equal(stdout, `false\ntrue LOST\nLOST k lock "k" lost: ${why}\n`);
  });

  test('a page that is hidden asks for its place in the queue at once', async () => {
    const { stdout } = await runNode(`${page}
      const asked = async () => (await navigator.locks.query()).pending.length;
      const guard = await locks.lock('k', { timeout: 0 });
      void locks.request('k', () => {});
      console.log(await asked());
      document.visibilityState = 'hidden';
      listeners.visibilitychange();
      console.log(await asked());
      const another = await locks.lock('another', { timeout: 0 });
      void locks.request('another', () => {});
      console.log(await asked());
      await another.release();
      Object.defineProperty(document, 'visibilityState', { get() { throw new Error('broken'); } });
      listeners.visibilitychange();
      await guard.release();
    `);
    // On a busy machine the lock is too old to be handed on at once.
    assert.match(stdout, /^[01]\n1\n2\n$/);
  });
});
