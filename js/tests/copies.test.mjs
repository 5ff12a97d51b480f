// Several copies of the package in one realm: bundlers make them, and so does `jest.resetModules()`.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { entries, runNode } from './support.mjs';

const pkg = fileURLToPath(new URL('.', entries.crosslock));
const { version } = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
const ok = { code: 0, stdout: 'done\n', stderr: '' };

/** The prelude of a process that has two copies: `one` from here, `two` from a folder of its own. */
function twoCopies(t, { entry = 'index.js', edit = (text) => text } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(pkg, folder, { recursive: true });
  writeFileSync(join(folder, entry), edit(readFileSync(join(pkg, entry), 'utf8')));
  const second = pathToFileURL(join(folder, entry)).href;
  return {
    folder,
    prelude: `
      import assert from 'node:assert/strict';
      const one = await import('crosslock');
      const two = await import(${JSON.stringify(second)});
      const name = Symbol.for('crosslock/${version}');
    `,
  };
}

const exclude = `
  assert.notEqual(one.LockError, two.LockError, 'they are two copies');
  const [a, b] = [new one.MemoryLockManager(), new two.MemoryLockManager()];
  const guard = await a.lock('k', { timeout: 0 });
  assert.equal(await b.tryLock('k'), null);
  const wait = b.lock('k', { timeout: 30_000 });
  while ((await a.query()).pending.length !== 1);
  await guard.release();
  const next = await wait;
  assert.equal(await a.tryLock('k'), null);
  const { held } = await b.query();
  assert.equal(held[0].clientId, (await a.query()).held[0].clientId, 'they are one client');
  await a.request('k', { steal: true }, () => {});
  assert.equal(next.lost.reason.code, 'LOST');
  assert.ok(next.lost.reason instanceof two.LockError);
  await next.release();
  await (await b.lockMany(['k', 'l'], { timeout: 0 })).release();
  for (const { LockError, MemoryLockManager, WebLockManager } of [one, two]) {
    const wrong = [new MemoryLockManager().lock('_', { timeout: 0 }), new WebLockManager({ namespace: '_' }).lock('k', { timeout: 0 })];
    const errors = await Promise.all(wrong.map((wait) => wait.catch((error) => error)));
    assert.ok(errors.every((error) => error instanceof LockError), 'errors are of the copy that was called');
    assert.deepEqual(errors.map(({ code }) => code), ['INVALID_KEY', 'INVALID_NAMESPACE']);
  }
`;

describe('copies of one version', { timeout: 60_000 }, () => {
  for (const entry of ['index.js', 'wasm-url.js']) {
    test(`have one keyspace in memory: index.js and ${entry}`, async (t) => {
      const { prelude } = twoCopies(t, { entry });
      assert.deepEqual(await runNode(`${prelude}${exclude} console.log('done');`), ok);
    });
  }

  test('load one module between them, and queue in the order in which they were called', async (t) => {
    const { prelude } = twoCopies(t);
    const source = `${prelude}
      let started = 0;
      WebAssembly.Instance = class extends WebAssembly.Instance {
        constructor(...given) {
          super(...given);
          started++;
        }
      };
      const managers = [new one.MemoryLockManager(), new two.MemoryLockManager()];
      const order = [];
      const ask = (i) => managers[i % 2].request('k', async () => { order.push(i); await null; });
      const first = Array.from({ length: 10 }, (_, i) => ask(i));
      await first[0];
      // While some of the first are on their way still.
      await Promise.all([...first, ...Array.from({ length: 10 }, (_, i) => ask(10 + i))]);
      assert.deepEqual(order, Array.from({ length: 20 }, (_, i) => i));
      assert.equal(started, 1);
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('import beside require', { skip: !process.features.require_module && 'this Node cannot require ESM' }, async (t) => {
    const { prelude, folder } = twoCopies(t);
    const source = `${prelude.replace(/await import\("file.*\)/, `createRequire(import.meta.url)(${JSON.stringify(join(folder, 'index.js'))})`)}
      ${exclude} console.log('done');`;
    const flags = ['--disable-warning=ExperimentalWarning'];
    assert.deepEqual(await runNode(`import { createRequire } from 'node:module'; ${source}`, { flags }), ok);
  });

  test('one that cannot load the crate does not keep the other from it', async (t) => {
    const { prelude, folder } = twoCopies(t, { entry: 'wasm-url.js' });
    rmSync(join(folder, 'crosslock_bg.wasm'));
    const source = `${prelude}
      const [failing, working] = [two, one].map(({ MemoryLockManager }) => new MemoryLockManager().tryLock('k'));
      await assert.rejects(failing, { code: 'UNAVAILABLE', message: /ENOENT/ });
      const guard = await working;
      assert.equal(await new two.MemoryLockManager().tryLock('k'), null, 'and has it from there from now on');
      await guard.release();
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });

  test('leave one name on the global object, which does not show', async (t) => {
    const { prelude } = twoCopies(t);
    const source = `${prelude}
      const before = Reflect.ownKeys(globalThis);
      ${exclude}
      const { enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(globalThis, name);
      assert.deepEqual({ enumerable, writable, configurable }, { enumerable: false, writable: false, configurable: false });
      assert.deepEqual(Reflect.ownKeys(globalThis).filter((key) => !before.includes(key)), [name]);
      console.log('done');
    `;
    assert.deepEqual(await runNode(source), ok);
  });
});

test('copies of different versions have keyspaces of their own', { timeout: 60_000 }, async (t) => {
  const edit = (text) => {
    const edited = text.replaceAll(`crosslock/${version}`, 'crosslock/0.0.0-other');
    assert.notEqual(edited, text, 'the version stands in the package');
    return edited;
  };
  const { prelude } = twoCopies(t, { edit });
  const source = `${prelude}
    const guards = [one, two].map(({ MemoryLockManager }) => new MemoryLockManager().tryLock('k'));
    for (const guard of await Promise.all(guards)) await guard.release();
    console.log('done');
  `;
  assert.deepEqual(await runNode(source), ok);
});

describe('where the copies cannot meet, each has locks of its own', { timeout: 60_000 }, () => {
  const worlds = {
    'a global object that takes nothing new': 'Object.preventExtensions(globalThis);',
    'a frozen state': 'globalThis[name] = Object.freeze({ loading: undefined, awaiting: 0, clientId: undefined });',
    'a getter that throws': "Object.defineProperty(globalThis, name, { get() { throw new Error('no'); } });",
    ...Object.fromEntries(
      [
        'null',
        '42',
        '{}',
        "{ awaiting: 'many' }",
        '{ awaiting: 0, loading: 42 }',
        '{ awaiting: 0, loading: Promise.resolve({}) }',
        "{ awaiting: 0, loading: Promise.reject(new Error('no')) }",
        '{ awaiting: 0, loading: Promise.resolve({ Manager: { memory() {} } }) }',
        '() => {}',
      ].map((planted) => [`nonsense: ${planted}`, `globalThis[name] = ${planted};`]),
    ),
  };
  for (const [world, plant] of Object.entries(worlds)) {
    test(world, async (t) => {
      const { prelude } = twoCopies(t);
      const source = `${prelude} ${plant}
        for (const { MemoryLockManager } of [one, two]) {
          const guard = await new MemoryLockManager().lock('k', { timeout: 0 });
          assert.equal(await new MemoryLockManager().tryLock('k'), null);
          await guard.release();
          await (await new MemoryLockManager().tryLock('k')).release();
        }
        console.log('done');
      `;
      assert.deepEqual(await runNode(source), ok);
    });
  }
});
