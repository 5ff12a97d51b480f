// Several copies of the package in one page. Those of one version, whether by another address, another entry
// or in a bundle, are one; another version knows nothing of them, and meets them in the browser's locks.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from 'esbuild';
import { pkg } from '../../tools/size.mjs';
import { browserTests } from './support.mjs';

describe('copies', { timeout: 120_000 }, () => {
  const { tab, answer } = browserTests();
  const { version } = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));

  /**
   * A tab with the package five times: twice as it is, by URL, in an application's bundle without names, and
   * last as another version.
   */
  async function copies() {
    answer('/other-version.js', (request, response) => {
      const source = readFileSync(join(pkg, 'index.js'), 'utf8');
      const edited = source.replaceAll(`crosslock/${version}`, 'crosslock/0.0.0-other');
      assert.notEqual(edited, source, 'the version stands in the package');
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(edited);
    });
    const page = await tab('/blank');
    const globals = () => page.evaluate(() => Object.getOwnPropertyNames(globalThis));
    const before = await globals();
    const bundle = await build({
      entryPoints: [join(pkg, 'index.js')],
      bundle: true,
      minify: true,
      format: 'iife',
      globalName: 'bundled',
      write: false,
    });
    await page.evaluate((content) => {
      const script = document.createElement('script');
      script.textContent = content;
      document.head.append(script);
    }, bundle.outputFiles[0].text);
    await page.evaluate(async () => {
      const urls = ['index.js', 'index.js?second', 'wasm-url.js'].map((name) => `/crosslock/${name}`);
      globalThis.copies = [...(await Promise.all(urls.map((url) => import(url)))), bundled, await import('/other-version.js')];
      globalThis.managers = copies.map(({ WebLockManager }) => new WebLockManager());
      // All of them loaded, and used.
      for (const locks of managers) await (await locks.lock('k', { timeout: 0 })).release();
    });
    const added = (await globals()).filter((name) => !before.includes(name));
    assert.deepEqual(added.sort(), ['bundled', 'copies', 'managers'], 'no globals but those of this test');
    return page;
  }

  test('their Web Locks exclude each other, and are handed from version to version', async () => {
    const page = await copies();
    const order = await page.evaluate(async () => {
      const order = [];
      const first = await managers[0].lock('k', { timeout: 0 });
      for (const locks of managers) if (await locks.tryLock('k')) order.push('not excluded');
      const waits = managers.map((locks, i) => locks.request('k', { timeout: 30_000 }, () => void order.push(i)));
      // The other version knows of those alone who wait for the browser.
      while ((await managers[0].query()).pending.length < managers.length);
      await first.release();
      await Promise.all(waits);
      return order;
    });
    // The copies of one version have one queue. The other version is next unless they hand the lock on in it.
    assert.deepEqual(
      order.filter((i) => i !== 4),
      [0, 1, 2, 3],
    );
    assert.equal(order.length, 5);
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
    assert.deepEqual(codes, ['LOST', 'LOST', 'LOST', 'LOST']);
  });

  test('each has classes and errors of its own, and each version memory locks; codes are the same', async () => {
    const page = await copies();
    const seen = await page.evaluate(async () => {
      const [one, ...others] = copies;
      const memory = await new one.MemoryLockManager().lock('k', { timeout: 0 });
      const web = await managers[0].lock('k', { timeout: 0 });
      const seen = [];
      for (const [i, other] of others.entries()) {
        const guard = await new other.MemoryLockManager().tryLock('k');
        const error = await managers[i + 1].lock('k', { timeout: 0 }).catch((error) => error);
        seen.push({
          guard: guard && [guard instanceof other.LockGuard, guard instanceof one.LockGuard],
          error: [error instanceof other.LockError, error instanceof one.LockError, error instanceof Error],
          named: [error.name, error.code],
        });
        await guard?.release();
      }
      await memory.release();
      await web.release();
      return seen;
    });
    const expected = { guard: null, error: [true, false, true], named: ['LockError', 'TIMED_OUT'] };
    assert.deepEqual(seen, [expected, expected, expected, { ...expected, guard: [true, false] }]);
  });
});
