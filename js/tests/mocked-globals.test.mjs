// The same as mocked.test.mjs, of what a `WebLockManager` takes beside `navigator.locks`: other globals that are
// missing, throw or are replaced, and what a runtime or a page says of itself.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WebLockManager } from '../../pkg/index.js';
import { options, replaced, thrower, worksFor } from './mocks.mjs';
import { freshKey, rejection, runNode } from './support.mjs';

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

  test('a page that is hidden queues at once', async () => {
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
