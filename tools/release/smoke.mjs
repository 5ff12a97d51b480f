// Runs in a project that has just installed the package: does it lock here? Also by hand: node smoke.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { MemoryLockManager, WebLockManager, platformDefault } from 'crosslock';

const ASIDE = process.argv[2] === 'hold' ? 'process' : isMainThread ? undefined : 'thread';

if (ASIDE === 'thread') {
  const guard = await new MemoryLockManager().lock('smoke', { timeout: 30_000 });
  const turns = new Int32Array(workerData);
  // Without the lock, two of these lose a turn now and then.
  const seen = Atomics.load(turns, 0);
  await new Promise((resolve) => setImmediate(resolve));
  Atomics.store(turns, 0, seen + 1);
  await guard.release();
  parentPort.postMessage('done');
} else if (ASIDE === 'process') {
  const locks = await platformDefault({ datadir: process.argv[3], timeout: 30_000 });
  process.send(locks.scope);
  // Until it is killed.
  process.on('message', () => {});
} else {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-smoke-'));
  try {
    await threads();
    await datadir(folder);
    await modules();
    console.log(`crosslock ${version()} locks among threads and processes on ${process.platform} ${process.arch}, Node ${process.version}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function threads() {
  assert.equal((await platformDefault()).scope, 'process');
  const held = await new MemoryLockManager().lock('smoke', { timeout: 0 });
  const turns = new SharedArrayBuffer(4);
  const workers = Array.from({ length: 4 }, () => new Worker(fileURLToPath(import.meta.url), { workerData: turns }));
  const done = workers.map((worker) => new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject)));
  while ((await new MemoryLockManager().query()).pending.length < workers.length) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(new Int32Array(turns)[0], 0, 'a thread got the lock that is held here');
  await held.release();
  await Promise.all(done);
  assert.equal(new Int32Array(turns)[0], workers.length, 'two threads had the lock at once');
}

async function datadir(folder) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'hold', folder], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const scope = await Promise.race([new Promise((resolve) => child.on('message', resolve)), ended.then((code) => `ended with ${code}`)]);
  assert.equal(scope, 'datadir');
  try {
    const refusal = await platformDefault({ datadir: folder }).catch((error) => error);
    assert.equal(refusal.code, 'ALREADY_HELD', String(refusal));
    assert.equal(refusal.pid, child.pid, String(refusal));
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
  // The kernel has freed it.
  const locks = await platformDefault({ datadir: folder, timeout: 10_000 });
  await (await locks.lock('smoke', { timeout: 1000 })).release();
  await locks.close();
}

/** `require` gives the same package, and its wasm half is there. */
async function modules() {
  const required = createRequire(import.meta.url)('crosslock');
  assert.equal(required.platformDefault, platformDefault);
  const guard = await new required.MemoryLockManager().tryLock('smoke');
  assert.equal(await new MemoryLockManager().tryLock('smoke'), null);
  await guard.release();
  if (!globalThis.navigator?.locks) return;
  await (await new WebLockManager().lock('smoke', { timeout: 10_000 })).release();
}

function version() {
  return createRequire(import.meta.url)('crosslock/package.json').version;
}
