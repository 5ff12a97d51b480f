// The entry that loads the wasm by URL: from whichever server, and what it says when it cannot.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pkg } from '../../tools/size.mjs';
import { browserTests, load } from './support.mjs';

describe('loading by URL', { timeout: 120_000 }, () => {
  const { tab, errors } = browserTests();

  /** A tab whose requests for the wasm are answered by `answer`, and the URLs that it asked for. */
  async function tabWith(answer, path = '/blank') {
    const page = await tab(path);
    const asked = [];
    await page.route('**/*.wasm', (route) => {
      asked.push(new URL(route.request().url()).pathname);
      return answer(route);
    });
    await load(page, 'wasm-url.js');
    assert.deepEqual(asked, [], 'the import asks for nothing');
    return { page, asked };
  }

  const tryLock = (page) =>
    page.evaluate(async () => {
      const compiled = [];
      for (const name of ['compile', 'compileStreaming']) {
        const original = WebAssembly[name];
        WebAssembly[name] = (source) => (compiled.push(name), original(source));
      }
      const failure = await locks.tryLock('k').then((guard) => guard.release(), (error) => error);
      return { code: failure?.code ?? 'none', message: failure?.message ?? '', compiled };
    });

  const body = readFileSync(join(pkg, 'crosslock_bg.wasm'));

  test('it is compiled while it arrives, once', async () => {
    const { page, asked } = await tabWith((route) => route.continue());
    assert.deepEqual(await tryLock(page), { code: 'none', message: '', compiled: ['compileStreaming'] });
    await page.evaluate(() => new MemoryLockManager().tryLock('k'));
    assert.deepEqual(asked, ['/crosslock/crosslock_bg.wasm']);
  });

  test('a worker finds the file, too', async () => {
    const page = await tab('/blank');
    const key = await page.evaluate(() => {
      const source = `
        import { MemoryLockManager } from '${location.origin}/crosslock/wasm-url.js';
        new MemoryLockManager().tryLock('k').then(({ key }) => postMessage(key), ({ message }) => postMessage(message));
      `;
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
      return new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
    });
    assert.equal(key, 'k');
  });

  for (const contentType of ['application/octet-stream', 'application/wasm; charset=utf-8', '']) {
    test(`a server that calls it "${contentType}" will do`, async () => {
      const { page } = await tabWith((route) => route.fulfill({ body, headers: contentType ? { 'content-type': contentType } : {} }));
      assert.deepEqual(await tryLock(page), { code: 'none', message: '', compiled: ['compile'] });
    });
  }

  for (const [what, answer, why] of [
    ['is missing', (route) => route.fulfill({ status: 404 }), /crosslock_bg\.wasm could not be loaded: the server answered 404$/],
    ['is answered with a page', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }), /could not be loaded: what the server sent is no WebAssembly$/],
    ['cannot be reached', (route) => route.abort(), /could not be loaded: Failed to fetch;/],
  ]) {
    test(`a file that ${what} is UNAVAILABLE with the reason, and may come`, async () => {
      let broken = true;
      const { page } = await tabWith((route) => (broken ? answer(route) : route.continue()));
      const { code, message } = await tryLock(page);
      assert.equal(code, 'UNAVAILABLE');
      assert.match(message, why);
      broken = false;
      assert.equal((await tryLock(page)).code, 'none');
      errors.length = 0; // the browser reports a failed request in the console, too
    });
  }

  test('a policy that does not let it connect is named', async () => {
    const page = await tab('/no-connect');
    await load(page, 'wasm-url.js');
    const { code, message } = await tryLock(page);
    assert.equal(code, 'UNAVAILABLE');
    assert.match(message, /connect-src/);
    errors.length = 0; // the browser reports the refusal in the console, too
  });
});
