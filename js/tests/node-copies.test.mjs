// Several copies of the addon in one process: of one version they have the same locks, of two they refuse.

import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runNode } from './support.mjs';

const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'crosslock-copies-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Another installation, whose files are other files, of this version or another. */
function install(name, version) {
  const home = join(folder, name, 'node_modules/crosslock');
  mkdirSync(home, { recursive: true });
  for (const file of ['package.json', 'node.js']) copyFileSync(join(pkg, file), join(home, file));
  cpSync(join(pkg, 'node_modules'), join(home, 'node_modules'), { recursive: true });
  if (version) {
    const own = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8')).version;
    assert.equal(own.length, version.length);
    const scope = join(home, 'node_modules/@crosslock');
    const addons = readdirSync(scope).map((name) => join(scope, name, 'crosslock.node'));
    for (const file of [join(home, 'node.js'), ...addons]) {
      writeFileSync(file, readFileSync(file, 'latin1').replaceAll(own, version), 'latin1');
    }
  }
  return pathToFileURL(join(home, 'node.js')).href;
}

describe('two installations', { timeout: 60_000 }, () => {
  const [one, other] = [install('one'), install('other')];

  test('of one version have the same locks, in one thread and in two', async () => {
    const { code, stdout, stderr } = await runNode(`
      import assert from 'node:assert/strict';
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const [one, other] = [await import('${one}'), await import('${other}')];
      const guard = await new one.MemoryLockManager().lock('k', { timeout: 0 });
      assert.equal(await new other.MemoryLockManager().tryLock('k'), null);
      const thread = new Worker("import('${other}').then(async ({ MemoryLockManager }) => " +
        "{ await (await new MemoryLockManager().lock('k', { timeout: 30_000 })).release(); })", { eval: true });
      while (!(await new other.MemoryLockManager().query()).pending.length) await new Promise(setImmediate);
      await guard.release();
      assert.deepEqual(await once(thread, 'exit'), [0]);
      console.log('done');`);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'done\n', stderr: '' });
  });

  test('that are loaded by many threads at once agree on one', async () => {
    const { code, stdout, stderr } = await runNode(`
      import { Worker } from 'node:worker_threads';
      import { once } from 'node:events';
      const start = new Int32Array(new SharedArrayBuffer(8));
      const body = "import('node:worker_threads').then(async ({ workerData: { url, start } }) => {" +
        "  const { MemoryLockManager } = await import(url);" +
        "  Atomics.wait(start, 0, 0);" +
        "  const locks = new MemoryLockManager();" +
        "  for (let i = 0; i < 300; i++) {" +
        "    const guard = await locks.lock('k', { timeout: Infinity });" +
        "    const count = start[1]; await null; start[1] = count + 1;" +
        "    guard.release();" +
        "  }" +
        "});";
      const threads = Array.from({ length: 6 }, (_, i) =>
        new Worker(body, { eval: true, workerData: { url: i % 2 ? '${one}' : '${other}', start } }));
      await Promise.all(threads.map((thread) => once(thread, 'online')));
      Atomics.store(start, 0, 1);
      Atomics.notify(start, 0);
      const codes = await Promise.all(threads.map(async (thread) => (await once(thread, 'exit'))[0]));
      console.log(JSON.stringify([codes, start[1]]));`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual(JSON.parse(stdout), [[0, 0, 0, 0, 0, 0], 1800]);
  });

  test('of two versions refuse: the second one says which was first', async () => {
    const newer = install('newer', '9.9.9');
    const { code, stdout, stderr } = await runNode(`
      const [one, newer] = [await import('${one}'), await import('${newer}')];
      await new one.MemoryLockManager().tryLock('k');
      const caught = await Promise.all([
        new newer.MemoryLockManager().tryLock('k'),
        new newer.MemoryLockManager().lock('k', { timeout: 10 }),
        newer.platformDefault(),
        newer.FcntlPidLockManager.open(${JSON.stringify(join(folder, 'datadir'))}),
      ].map((promise) => promise.then(() => ({}), ({ code, message }) => ({ code, message }))));
      console.log(JSON.stringify(caught));`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    for (const { code, message } of JSON.parse(stdout)) {
      assert.equal(code, 'UNAVAILABLE');
      assert.match(
        message,
        /two versions of crosslock.* 9\.9\.9, and \d+\.\d+\.\d+ from .*[\\/]one[\\/]node_modules[\\/].*crosslock\.node/,
      );
    }
  });
});
