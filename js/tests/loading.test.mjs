// What importing does (nothing), what the first use does, and what is left at the end.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { entries, runNode as runWith } from './support.mjs';

const ok = { code: 0, stdout: 'done\n', stderr: '' };

for (const [entry, crosslock] of Object.entries(entries)) {
  const runNode = (source, options) => runWith(source, { ...options, crosslock });
  describe(`loading ${entry}`, { timeout: 60_000 }, () => loading(runNode));
}

function loading(runNode) {
  test('an import touches nothing', async () => {
    const source = `
      const touched = [];
      for (const name of ['navigator', 'window', 'self', 'document', 'location', 'WebAssembly', 'atob', 'fetch', 'setTimeout', 'setInterval', 'queueMicrotask', 'addEventListener']) {
        const value = globalThis[name];
        Object.defineProperty(globalThis, name, { configurable: true, get: () => (touched.push(name), value) });
      }
      const before = Object.getOwnPropertyNames(globalThis).length;
      const { MemoryLockManager, WebLockManager } = await import('crosslock');
      new MemoryLockManager();
      new WebLockManager({ namespace: 'n' });
      if (touched.length) throw new Error('touched ' + touched);
      if (Object.getOwnPropertyNames(globalThis).length !== before) throw new Error('a new global');
      await new MemoryLockManager().tryLock('k');
      if (!touched.includes('WebAssembly')) throw new Error('the trap does not work');
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('require() works', { skip: !process.features.require_module && 'this Node cannot require ESM' }, async () => {
    const source = `
      import { createRequire } from 'node:module';
      import { fileURLToPath } from 'node:url';
      const { MemoryLockManager } = createRequire(import.meta.url)(fileURLToPath('crosslock'));
      await (await new MemoryLockManager().tryLock('k')).release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source, { flags: ['--disable-warning=ExperimentalWarning'] }), ok);
  });

  test('many first uses at once load one module', async () => {
    const source = `
      import { MemoryLockManager, WebLockManager } from 'crosslock';
      let started = 0;
      WebAssembly.Instance = class extends WebAssembly.Instance {
        constructor(...given) {
          super(...given);
          started++;
        }
      };
      const guards = await Promise.all(['a', 'b', 'c'].map((key) => new MemoryLockManager().lock(key, { timeout: 0 })));
      if (started !== 1) throw new Error('started ' + started + ' modules');
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('requests reach the queue in the order in which they were made, also while it loads', async () => {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      const locks = new MemoryLockManager();
      const order = [];
      const waits = Array.from({ length: 10 }, (_, i) => locks.request('k', () => order.push(i)));
      if (await locks.tryLock('k')) throw new Error('tryLock overtook');
      await Promise.all(waits);
      if (order.join('') !== '0123456789') throw new Error(order.join());
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('no WebAssembly, or a policy against it, is UNAVAILABLE with the reason, and may pass', async () => {
    const source = `
      import assert from 'node:assert/strict';
      import { LockError, MemoryLockManager } from 'crosslock';
      const locks = new MemoryLockManager();
      const { WebAssembly } = globalThis;

      delete globalThis.WebAssembly;
      await assert.rejects(locks.tryLock('k'), { code: 'UNAVAILABLE', message: /no WebAssembly/ });

      const refusal = new WebAssembly.CompileError('blocked by CSP');
      globalThis.WebAssembly = { ...WebAssembly, compile: () => Promise.reject(refusal) };
      await assert.rejects(locks.tryLock('k'), (error) => {
        assert.ok(error instanceof LockError);
        assert.equal(error.code, 'UNAVAILABLE');
        assert.match(error.message, /script-src 'wasm-unsafe-eval'/);
        assert.equal(error.cause, refusal);
        return true;
      });

      globalThis.WebAssembly = WebAssembly;
      await (await locks.tryLock('k')).release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('neither a held lock, nor an aborted wait, nor a warning keeps Node alive', async () => {
    const source = `
      import { MemoryLockManager, WebLockManager } from 'crosslock';
      const managers = [new MemoryLockManager({ warnAfter: 3_600_000 }), ...(navigator.locks ? [new WebLockManager({ warnAfter: 3_600_000 })] : [])];
      globalThis.kept = [];
      for (const locks of managers) {
        kept.push(await locks.lock('k', { timeout: 0 }));
        const controller = new AbortController();
        const wait = locks.lock('k', { timeout: 3_600_000, signal: controller.signal }).catch(() => {});
        while ((await locks.query()).pending.length === 0);
        controller.abort();
        await wait;
      }
      console.log('done');
    `.replace('navigator.locks', 'globalThis.navigator?.locks');
    assert.deepEqual(await runNode(source), ok);
  });

  test('nothing is left behind in the memory of wasm', async () => {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      let wasm;
      WebAssembly.Instance = class extends WebAssembly.Instance {
        constructor(...args) {
          super(...args);
          wasm = this.exports;
        }
      };
      const locks = new MemoryLockManager();
      async function use(times) {
        const controller = new AbortController();
        for (let i = 0; i < times; i++) {
          const guard = await locks.lock('key.' + i, { timeout: 0, signal: controller.signal });
          guard.lost;
          if (await locks.tryLock('key.' + i)) throw new Error('not excluded');
          const doomed = new AbortController();
          const wait = locks.lock('key.' + i, { timeout: 60_000, signal: doomed.signal }).catch(() => {});
          await locks.lock('key.' + i, { timeout: 0 }).catch(() => {});
          doomed.abort();
          await wait;
          await locks.request('key.' + i, { steal: true }, () => {});
          await guard.release();
          await (await locks.lockMany(['a', 'b'], { timeout: 0 })).release();
        }
      }
      const size = () => [wasm.memory.buffer.byteLength, wasm.__wbindgen_externrefs?.length].join();
      await use(200);
      const before = size();
      await use(5000);
      if (size() !== before) throw new Error(before + ' became ' + size());
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });
}

describe('where globals are missing', { timeout: 60_000 }, () => {
  const everything = [
    'TextDecoder',
    'TextEncoder',
    'FinalizationRegistry',
    'performance',
    'DOMException',
    'AbortController',
    'setTimeout',
    'navigator',
    'WebAssembly',
  ];
  for (const [entry, crosslock] of Object.entries(entries)) {
    for (const names of [...everything.map((name) => [name]), everything]) {
      test(`${entry} can be imported without ${names}`, async () => {
        const source = `
          for (const name of ${JSON.stringify(names)}) delete globalThis[name];
          await import('crosslock');
          console.log('done');
        `;
        assert.deepEqual(await runWith(source, { crosslock }), ok);
      });
    }
  }

  /** What a wallet does that may meet what is missing. */
  const use = `
    const { LockError, MemoryLockManager } = await import('crosslock');
    const locks = new MemoryLockManager({ label: 'the wället €😀' });
    const guard = await locks.lock('k', { timeout: 0 });
    assert.equal((await locks.query()).held[0].label, 'the wället €😀');
    assert.equal(await locks.tryLock('k'), null);
    const bad = await locks.tryLock('näïve 😀 \ud800').catch((error) => error);
    assert.equal(bad.code, 'INVALID_KEY');
    assert.equal(bad.key, 'näïve 😀 \\\\u{fffd}');
    await guard.release();
    await locks.request('k', { steal: true }, () => {});
  `;
  for (const missing of ['TextDecoder', 'TextEncoder', 'DOMException', 'FinalizationRegistry', 'performance', 'navigator']) {
    test(`memory locks work without ${missing}`, async () => {
      const source = `
        import assert from 'node:assert/strict';
        delete globalThis.${missing};
        ${use}
        console.log('done');
      `;
      assert.deepEqual(await runWith(source), ok);
    });
  }

  test('memory locks work where the text coders are there and broken', async () => {
    const source = `
      import assert from 'node:assert/strict';
      globalThis.TextDecoder = class { decode() { return 'mock'; } };
      globalThis.TextEncoder = class { encode() { throw new Error('mock'); } };
      ${use}
      console.log('done');
    `;
    assert.deepEqual(await runWith(source), ok);
  });

  test('what needs a missing global says which', async () => {
    const source = `
      import assert from 'node:assert/strict';
      const { MemoryLockManager } = await import('crosslock');
      const guard = await new MemoryLockManager().lock('k', { timeout: 0 });
      delete globalThis.AbortController;
      assert.throws(() => guard.lost, { code: 'UNAVAILABLE', message: /no AbortController/ });
      await guard.release();
      delete globalThis.DOMException;
      await assert.rejects(new MemoryLockManager().request('-k', () => {}), { name: 'NotSupportedError' });
      const gone = { aborted: true, addEventListener() {}, removeEventListener() {} };
      await assert.rejects(new MemoryLockManager().lock('k', { timeout: 0, signal: gone }), { code: 'ABORTED' });
      console.log('done');
    `;
    assert.deepEqual(await runWith(source), ok);
  });

  test('in a realm of its own with the language alone, as in a vm context or a compartment', async () => {
    const source = `
      import assert from 'node:assert/strict';
      import { createContext, SourceTextModule } from 'node:vm';
      import { readFileSync } from 'node:fs';
      const context = createContext({});
      const load = async (text) => {
        const module = new SourceTextModule(text, { context });
        await module.link(() => {});
        await module.evaluate();
        return module.namespace;
      };
      const { MemoryLockManager, WebLockManager } = await load(readFileSync(new URL('crosslock'), 'utf8'));
      const error = await new WebLockManager().tryLock('k').catch((error) => error);
      assert.equal(error.code, 'UNAVAILABLE');
      const memory = await new MemoryLockManager().tryLock('k').catch((error) => error);
      assert.ok(memory.code === 'UNAVAILABLE' || memory.key === 'k', memory);
      console.log('done');
    `;
    assert.deepEqual(await runWith(source, { flags: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'] }), ok);
  });

  test('a page that compiles on other threads alone does that', async () => {
    const source = `
      import { MemoryLockManager } from 'crosslock';
      WebAssembly.Module = new Proxy(WebAssembly.Module, {
        construct() {
          throw new RangeError('WebAssembly.Module is disallowed on the main thread');
        },
      });
      await (await new MemoryLockManager().lock('k', { timeout: 0 })).release();
      console.log('done');
    `;
    assert.deepEqual(await runWith(source), ok);
  });

  test('Cloudflare Workers are told what they need, and nothing of a policy', async () => {
    const source = `
      import assert from 'node:assert/strict';
      import { MemoryLockManager } from 'crosslock';
      Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Cloudflare-Workers' } });
      const disallowed = () => new WebAssembly.CompileError('WebAssembly.compile(): Wasm code generation disallowed by embedder');
      WebAssembly.compile = () => Promise.reject(disallowed());
      WebAssembly.Module = function () { throw disallowed(); };
      await assert.rejects(new MemoryLockManager().tryLock('k'), (error) => {
        assert.equal(error.code, 'UNAVAILABLE');
        assert.match(error.message, /condition "workerd"/);
        assert.doesNotMatch(error.message, /Policy/i);
        return true;
      });
      console.log('done');
    `;
    assert.deepEqual(await runWith(source), ok);
  });
});

describe('where the wasm comes from', { timeout: 60_000 }, () => {
  test('the default entry refers to no file, so that no bundler looks for one', () => {
    const text = readFileSync(new URL(entries.crosslock), 'utf8');
    assert.doesNotMatch(text, /import\.meta|crosslock_bg\.wasm/);
  });

  test('the entry by URL carries no bytes, and names the file as bundlers look for it', () => {
    const text = readFileSync(new URL(entries['crosslock/wasm-url']), 'utf8');
    assert.equal(text.split('new URL("./crosslock_bg.wasm",import.meta.url)').length, 2);
    assert.equal(text.split('crosslock_bg.wasm').length, 2);
  });

  test('a file that is not there is UNAVAILABLE with its name, and may come', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'crosslock-'));
    t.after(() => rmSync(folder, { recursive: true }));
    copyFileSync(new URL(entries['crosslock/wasm-url']), join(folder, 'wasm-url.js'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    const wasm = (folder) => JSON.stringify(new URL('crosslock_bg.wasm', folder).href);
    const source = `
      import assert from 'node:assert/strict';
      import { copyFileSync } from 'node:fs';
      import { MemoryLockManager } from 'crosslock';
      const locks = new MemoryLockManager();
      await assert.rejects(locks.tryLock('k'), (error) => {
        assert.equal(error.code, 'UNAVAILABLE');
        assert.ok(error.message.startsWith('locks are unavailable: ' + ${wasm(`${pathToFileURL(folder)}/`)} + ' could not be loaded: ENOENT'), error.message);
        assert.equal(error.cause.code, 'ENOENT');
        return true;
      });
      copyFileSync(new URL(${wasm(entries.crosslock)}), new URL(${wasm(`${pathToFileURL(folder)}/`)}));
      await (await locks.tryLock('k')).release();
      console.log('done');
    `;
    assert.deepEqual(await runWith(source, { crosslock: pathToFileURL(join(folder, 'wasm-url.js')).href }), ok);
  });
});
