// Several copies of one version of the package in one page: from two URLs, by two entries, and in a bundle.
// Their classes are apart, and their locks are the same.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from 'esbuild';
import { pkg } from '../../tools/size.mjs';
import { browserTests } from './support.mjs';

describe('copies', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  /** A tab with the package four times: twice as it is, by URL, and in an application's bundle without names. */
  async function copies() {
    const page = await tab('/blank');
    const globals = () => page.evaluate(() => Object.getOwnPropertyNames(globalThis));
    const before = await globals();
    const bundle = await build({ entryPoints: [join(pkg, 'index.js')], bundle: true, minify: true, format: 'iife', globalName: 'bundled', write: false });
    await page.evaluate((content) => {
      const script = document.createElement('script');
      script.textContent = content;
      document.head.append(script);
    }, bundle.outputFiles[0].text);
    await page.evaluate(async () => {
      const urls = ['index.js', 'index.js?second', 'wasm-url.js'].map((name) => `/crosslock/${name}`);
      globalThis.copies = [...(await Promise.all(urls.map((url) => import(url)))), bundled];
      globalThis.managers = copies.map(({ WebLockManager }) => new WebLockManager());
      // All of them loaded, and used.
      for (const locks of managers) await (await locks.lock('k', { timeout: 0 })).release();
    });
    const added = (await globals()).filter((name) => !before.includes(name));
    assert.deepEqual(added.sort(), ['bundled', 'copies', 'managers'], 'no globals but those of this test');
    return page;
  }

  test('their Web Locks exclude each other, and are handed from copy to copy', async () => {
    const page = await copies();
    const order = await page.evaluate(async () => {
      const order = [];
      const first = await managers[0].lock('k', { timeout: 0 });
      for (const locks of managers) if (await locks.tryLock('k')) order.push('not excluded');
      const waits = managers.map((locks, i) => locks.request('k', { timeout: 30_000 }, () => void order.push(i)));
      while ((await managers[3].query()).pending.length < managers.length);
      await first.release();
      await Promise.all(waits);
      return order;
    });
    assert.deepEqual(order, [0, 1, 2, 3]);
  });

  test('a lock that one copy steals is lost to the other', async () => {
    const page = await copies();
    const codes = await page.evaluate(async () => {
      const codes = [];
      for (const thief of managers.slice(1)) {
        const guard = await managers[0].lock('k', { timeout: 0 });
        const { lost } = guard;
        const told = new Promise((resolve) => lost.addEventListener('abort', resolve));
        await thief.request('k', { steal: true }, () => told);
        codes.push(lost.reason.code);
        await guard.release();
      }
      return codes;
    });
    assert.deepEqual(codes, ['LOST', 'LOST', 'LOST']);
  });

  test('each has classes and errors of its own; memory locks and codes are the same', async () => {
    const page = await copies();
    const seen = await page.evaluate(async () => {
      const [one, ...others] = copies;
      const memory = await new one.MemoryLockManager().lock('k', { timeout: 0 });
      const web = await managers[0].lock('k', { timeout: 0 });
      const seen = [];
      for (const [i, other] of others.entries()) {
        const locks = new other.MemoryLockManager();
        const isExcluded = (await locks.tryLock('k')) === null;
        const guard = await locks.tryLock('another');
        const error = await managers[i + 1].lock('k', { timeout: 0 }).catch((error) => error);
        seen.push({
          isExcluded,
          guard: [guard instanceof other.LockGuard, guard instanceof one.LockGuard],
          error: [error instanceof other.LockError, error instanceof one.LockError, error instanceof Error],
          named: [error.name, error.code],
        });
        await guard.release();
      }
      await memory.release();
      await web.release();
      return seen;
    });
    const expected = { isExcluded: true, guard: [true, false], error: [true, false, true], named: ['LockError', 'TIMED_OUT'] };
    assert.deepEqual(seen, [expected, expected, expected]);
  });
});
