// Under the fake clocks of test suites. Jest's, Vitest's and Playwright's are those of
// @sinonjs/fake-timers.

import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import FakeTimers from '@sinonjs/fake-timers';
import { MemoryLockManager, WebLockManager } from '../../pkg/index.js';
import { deferred, freshKey, hasWebLocks, nothing, packageUrl, requestsFor, runNode } from './support.mjs';

const outcome = (wait) =>
  wait.then(
    async (guard) => (await guard.release(), 'granted'),
    (error) => error.code ?? error,
  );

/** But for `process.nextTick`, which the test runner itself needs. */
const all = [
  'setTimeout',
  'clearTimeout',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'Date',
  'performance',
  'queueMicrotask',
];

/** Which part of the world is faked, and how it is moved. */
const sinon = (toFake) => () => {
  const clock = FakeTimers.install({ toFake });
  return {
    advance: (millis) => clock.tickAsync(millis),
    runAll: () => clock.runAllAsync(),
    clear: () => clock.reset(),
    count: () => clock.countTimers(),
    end: () => clock.uninstall(),
  };
};

const clocks = {
  '@sinonjs/fake-timers': sinon(all),
  'its setTimeout, without its performance': sinon(['setTimeout', 'clearTimeout']),
  'the mock timers of node:test': () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    return {
      advance: async (millis) => mock.timers.tick(millis),
      runAll: async () => mock.timers.runAll(),
      end: () => mock.timers.reset(),
    };
  },
};

/** Of Node's own, whatever is installed. */
const { setImmediate: realImmediate } = globalThis;
const turn = () => new Promise((resolve) => realImmediate(resolve));

/** Turns of the event loop, until it is settled: what is faked does not move by them. */
async function settled(promise) {
  let result;
  promise.then((value) => (result = { value }));
  for (let turns = 0; turns < 10_000 && !result; turns++) await turn();
  assert.ok(result, 'it is not settled');
  return result.value;
}

const managers = [MemoryLockManager, ...(hasWebLocks ? [WebLockManager] : [])];

for (const Manager of managers) {
  describe(Manager.name, { timeout: 60_000 }, () => {
    for (const [name, install] of Object.entries(clocks)) {
      test(`a wait ends in the clock that it began in: ${name}`, () => inEveryClock(new Manager(), install));
      test(`waits leave no timers to ${name}`, () => leavesNoTimers(new Manager(), install));
    }

    test('a clock that stands still keeps no timer from ending a wait', async () => {
      const clock = FakeTimers.install({ toFake: ['performance'] });
      try {
        const locks = new Manager();
        const key = freshKey('still');
        const guard = await locks.lock(key, { timeout: 0 });
        assert.equal(await outcome(locks.lock(key, { timeout: 20 })), 'TIMED_OUT');
        // Many who wait one after the other, in part for the same lock.
        const waits = Array.from({ length: 5 }, () => locks.lock(key, { timeout: 60_000 }));
        await guard.release();
        for (const wait of waits) await (await wait).release();
      } finally {
        clock.uninstall();
      }
    });

    test('lockMany() has one time for all its locks, though only the timers move', async () => {
      const clock = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const locks = new Manager();
        const keys = [freshKey('first'), freshKey('second')];
        const [first, second] = await Promise.all(keys.map((key) => locks.lock(key, { timeout: Infinity })));
        const many = outcome(locks.lockMany(keys, { timeout: 10_000 }));
        while ((await requestsFor(locks, keys[0])).pending.length < 1) await turn();
        await clock.tickAsync(6000);
        await first.release();
        while ((await requestsFor(locks, keys[1])).pending.length < 1) await turn();
        await clock.tickAsync(4000);
        assert.equal(await settled(many), 'TIMED_OUT');
        assert.equal(clock.countTimers(), 0);
        await second.release();
      } finally {
        clock.uninstall();
      }
    });

    test('a timeout may come within the call after the one that waits', async () => {
      const locks = new Manager();
      const key = freshKey('within');
      const guard = await locks.lock(key, { timeout: 0 });
      await new Promise((resolve) => setTimeout(resolve, 1));
      const clock = FakeTimers.install({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const waits = [10, 10, 11].map((timeout) => outcome(locks.lock(key, { timeout })));
        clock.tick(5);
        const later = outcome(locks.lock(key, { timeout: 10 }));
        clock.tick(5);
        assert.deepEqual(await settled(Promise.all(waits.slice(0, 2))), ['TIMED_OUT', 'TIMED_OUT']);
        clock.tick(1);
        assert.equal(await settled(waits[2]), 'TIMED_OUT');
        assert.deepEqual(await requestsFor(locks, key), { held: ['exclusive'], pending: ['exclusive'] });
        clock.tick(4);
        assert.equal(await settled(later), 'TIMED_OUT');
      } finally {
        clock.uninstall();
      }
      await guard.release();
    });

    test('a wait that is given up under a fake clock is over, whatever becomes of the clock', async () => {
      const locks = new Manager();
      const key = freshKey('given-up');
      const guard = await locks.lock(key, { timeout: 0 });
      const clock = FakeTimers.install({ toFake: all });
      try {
        const controller = new AbortController();
        const wait = outcome(locks.lock(key, { timeout: 1000, signal: controller.signal }));
        controller.abort('given up');
        assert.equal(await settled(wait), 'given up');
      } finally {
        clock.uninstall();
      }
      await guard.release();
      assert.equal(await outcome(locks.lock(key, { timeout: 10_000 })), 'granted');
    });
  });
}

async function inEveryClock(locks, install) {
  const key = freshKey('clock');
  const guard = await locks.lock(key, { timeout: 0 });
  const timeout = 50;
  const wait = () => outcome(locks.lock(key, { timeout }));
  assert.equal(await wait(), 'TIMED_OUT');

  const before = wait();
  let clock = install();
  try {
    const faked = wait();
    await clock.advance(timeout - 1);
    assert.notDeepEqual((await requestsFor(locks, key)).pending, []);
    await clock.advance(1);
    assert.equal(await settled(faked), 'TIMED_OUT');
    assert.equal(await before, 'TIMED_OUT');

    const unlucky = clock.clear && wait();
    await turn();
    clock.clear?.();
    const lucky = wait();
    await clock.advance(timeout);
    assert.equal(await settled(lucky), 'TIMED_OUT');
    const across = wait();
    await turn();
    clock.end();
    assert.equal(await wait(), 'TIMED_OUT');

    clock = install();
    const again = wait();
    await clock.advance(timeout);
    assert.equal(await settled(again), 'TIMED_OUT');
    clock.end();
    // Those whose timers are lost hold up nobody, and are served in turn.
    await guard.release();
    if (unlucky) assert.equal(await settled(unlucky), 'granted');
    assert.equal(await settled(across), 'granted');
    assert.deepEqual(await requestsFor(locks, key), nothing);
  } finally {
    clock.end();
  }
}

async function leavesNoTimers(locks, install) {
  const key = freshKey('timers');
  await (await locks.lock(key, { timeout: 0 })).release();
  const clock = install();
  try {
    const guard = await locks.lock(key, { timeout: 0 });
    const waits = [10_000, 10_000, 20_000, Infinity].map((timeout) => locks.lock(key, { timeout }));
    await untilPendingNow(locks, key, waits.length);
    await guard.release();
    for (const wait of waits) await (await settled(wait)).release();
    // Of ours there may be one more, of 10 ms.
    await clock.advance(10);
    if (clock.count) assert.equal(clock.count(), 0);

    const held = await locks.lock(key, { timeout: 0 });
    const outcomes = [10_000, Infinity].map((timeout) => outcome(locks.lock(key, { timeout })));
    await untilPendingNow(locks, key, outcomes.length);
    // It gives up on timers that come without end.
    await clock.runAll();
    assert.equal(await settled(outcomes[0]), 'TIMED_OUT');
    if (clock.count) assert.equal(clock.count(), 0);
    await held.release();
    assert.equal(await settled(outcomes[1]), 'granted');
  } finally {
    clock.end();
  }
}

/** Until so many wait, by turns of the real event loop. */
async function untilPendingNow(locks, key, count) {
  for (let turns = 0; turns < 10_000; turns++) {
    if ((await requestsFor(locks, key)).pending.length === count) return;
    await turn();
  }
  assert.fail('they do not wait');
}

describe('warnAfter under a fake clock', () => {
  test('warns in the clock in which the lock was taken, and not of what was released in another', async (t) => {
    const warnings = [];
    t.mock.method(console, 'warn', (message) => warnings.push(message));
    const locks = new MemoryLockManager({ warnAfter: 30 });
    const [real, faked, across] = ['real', 'faked', 'across'].map(freshKey);
    const early = await locks.lock(real, { timeout: 0 });
    const clock = FakeTimers.install({ toFake: all });
    let late;
    try {
      const guard = await locks.lock(faked, { timeout: 0 });
      await early.release();
      clock.tick(30);
      assert.deepEqual(warnings.splice(0), [`crosslock: lock "${faked}" has been held for more than 30 ms`]);
      await guard.release();
      late = await locks.lock(across, { timeout: 0 });
    } finally {
      clock.uninstall();
    }
    await late.release();
    clock.tick(30);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(warnings, []);
    const warned = deferred();
    console.warn = warned.resolve;
    const held = await locks.lock(across, { timeout: 0 });
    // Our own timer keeps no process alive.
    await Promise.all([warned.promise, new Promise((resolve) => setTimeout(resolve, 60))]);
    await held.release();
  });
});

test('a zone is stable as soon as nobody waits', async () => {
  const source = `
    import ${JSON.stringify(import.meta.resolve('zone.js'))};
    import { MemoryLockManager, WebLockManager } from 'crosslock';
    const managers = [MemoryLockManager, ...(globalThis.navigator?.locks ? [WebLockManager] : [])];
    for (const Manager of managers) {
      const locks = new Manager({ warnAfter: 60_000 });
      const guard = await locks.lock('k', { timeout: 0 });
      let isBusy = false;
      const onHasTask = (delegate, current, target, state) => {
        if (state.change === 'macroTask') isBusy = state.macroTask;
      };
      const waits = Zone.current.fork({ name: 'app', onHasTask }).run(() => [1, 2].map(() => locks.lock('k', { timeout: 60_000 })));
      console.log(isBusy);
      await guard.release();
      for (const wait of waits) await (await wait).release();
      await new Promise((resolve) => setTimeout(resolve, 100));
      console.log(isBusy);
    }
    console.log('end');
  `;
  const { stdout, stderr, code } = await runNode(source);
  const lines = stdout.split('\n');
  assert.equal(stderr, '');
  assert.deepEqual([code, lines.filter((line) => line === 'true').length], [0, managers.length], stdout);
  assert.deepEqual(lines.filter((line) => line === 'false').length, managers.length, stdout);
});

describe('the lock of a thread that died', { skip: !hasWebLocks && 'this Node has no Web Locks', timeout: 60_000 }, () => {
  const fake = `
    import FakeTimers from ${JSON.stringify(import.meta.resolve('@sinonjs/fake-timers'))};
    const clock = FakeTimers.install({ toFake: ${JSON.stringify(all)} });
  `;
  for (const [name, install] of Object.entries({ 'by the real clock': '', 'under a fake clock': fake })) {
    test(`is granted to who waits in another after about a second, ${name}`, async () => {
      const worker = `
        import { parentPort } from 'node:worker_threads';
        import { WebLockManager } from 'crosslock';
        await new WebLockManager().lock('k', { timeout: Infinity });
        parentPort.postMessage('held');
        parentPort.on('message', () => {});
      `;
      const source = `
        import { once } from 'node:events';
        import { Worker } from 'node:worker_threads';
        import { WebLockManager } from 'crosslock';
        ${install}
        const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker).replaceAll("'crosslock'", () => `" + JSON.stringify(CROSSLOCK) + "`)})));
        await once(worker, 'message');
        const locks = new WebLockManager();
        const wait = locks.lock('k', { timeout: Infinity });
        while ((await locks.query()).pending.length === 0);
        await worker.terminate();
        const start = process.hrtime.bigint();
        const guard = await wait;
        console.log(Number(process.hrtime.bigint() - start) / 1e6);
        if (${Boolean(install)}) console.log(clock.countTimers());
        await guard.release();
      `;
      const crosslock = JSON.stringify(packageUrl);
      const { code, stdout, stderr } = await runNode(source.replaceAll('CROSSLOCK', crosslock));
      assert.deepEqual([code, stderr], [0, '']);
      const [elapsed, timers] = stdout.split('\n');
      // One second, and whatever a busy machine adds.
      assert.ok(Number(elapsed) < 10_000, elapsed);
      if (install) assert.equal(timers, '0');
    });
  }
});
