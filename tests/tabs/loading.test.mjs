// The entry that loads the wasm by URL: from whichever server, and what it says when it cannot.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pkg } from '../../tools/size.mjs';
import { browserTests, load } from './support.mjs';

describe('loading by URL', { timeout: 120_000 }, () => {
  const { tab, answer, errors } = browserTests();

  /** A tab whose requests for the wasm are answered by `respond`, and the number of them. */
  async function tabWith(respond) {
    const page = await tab('/blank');
    let asked = 0;
    answer(`/crosslock/${file}`, (request, response) => {
      asked++;
      respond(response);
    });
    await load(page, 'wasm-url.js');
    assert.equal(asked, 0, 'the import asks for nothing');
    return { page, asked: () => asked };
  }

  const tryLock = (page) =>
    page.evaluate(async () => {
      const compiled = [];
      for (const name of ['compile', 'compileStreaming']) {
        const original = WebAssembly[name];
        WebAssembly[name] = (source) => (compiled.push(name), original(source));
      }
      const failure = await locks.tryLock('k').then(
        (guard) => guard.release(),
        (error) => error,
      );
      return { code: failure?.code ?? 'none', message: failure?.message ?? '', compiled };
    });

  const file = 'crosslock_bg.wasm';
  const body = readFileSync(join(pkg, file));
  const send = (response, contentType) => response.writeHead(200, contentType ? { 'Content-Type': contentType } : {}).end(body);

  test('it is compiled while it arrives, once', async () => {
    const { page, asked } = await tabWith((response) => send(response, 'application/wasm'));
    assert.deepEqual(await tryLock(page), { code: 'none', message: '', compiled: ['compileStreaming'] });
    await page.evaluate(() => new MemoryLockManager().tryLock('k'));
    assert.equal(asked(), 1);
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
      const { page } = await tabWith((response) => send(response, contentType));
      assert.deepEqual(await tryLock(page), { code: 'none', message: '', compiled: ['compile'] });
    });
  }

  for (const [what, respond, why] of [
    ['is missing', (response) => response.writeHead(404).end(), /crosslock_bg\.wasm could not be loaded: the server answered 404$/],
    [
      'is answered with a page',
      (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>'),
      /could not be loaded: the server did not send WebAssembly$/,
    ],
    [
      'cannot be reached',
      (response) => response.destroy(),
      /could not be loaded: (Failed to fetch|NetworkError when attempting to fetch resource\.|Load failed);/,
    ],
  ]) {
    test(`a file that ${what} is UNAVAILABLE with the reason, and may come`, async () => {
      let broken = true;
      const { page } = await tabWith((response) => (broken ? respond(response) : send(response, 'application/wasm')));
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
