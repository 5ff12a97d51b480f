// Locks on a datadir by the addon, against programs in Rust: examples/wallet.rs.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { before, after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DatadirLockManager, FcntlPidLockManager, FlockPidLockManager, LockError, MemoryLockManager } from '../../pkg/node.js';
import { lockManagerContract } from './contract.mjs';
import { requestContract } from './request.mjs';
import { freshKey, nothing, packageUrl, rejection, requestsFor, runNode, thread, untilPending } from './support.mjs';
import { walletProgram } from './wallet.mjs';

const isWindows = process.platform === 'win32';
const folder = mkdtempSync(join(tmpdir(), 'crosslock-node-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let last = 0;
const freshDatadir = () => join(folder, `datadir-${++last}`);

const managers = isWindows ? { FlockPidLockManager } : { FcntlPidLockManager, FlockPidLockManager };
// The one of the platform's default.
const [[ofPlatform, PidLockManager]] = Object.entries(managers);

for (const [name, Manager] of Object.entries(managers)) {
  const locks = await Manager.open(join(folder, name));
  const made = `await ${name}.open(${JSON.stringify(freshDatadir())})`;
  lockManagerContract(name, () => locks, { scope: 'datadir', made });
  requestContract(name, () => locks);
}

/** A program in Rust that has a datadir, or was refused it. */
class Wallet {
  static all = [];

  constructor(datadir) {
    this.process = spawn(walletProgram(), [datadir], { stdio: ['pipe', 'pipe', 'pipe'] });
    Wallet.all.push(this);
    this.stderr = '';
    this.process.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.ended = once(this.process, 'close').then(([code]) => code);
    this.open = once(this.process.stdout, 'data');
  }

  kill() {
    this.process.kill('SIGKILL');
    return this.ended;
  }
}

describe('a datadir', { timeout: 300_000 }, () => {
  before(() => void walletProgram(), { timeout: 300_000 });
  // Those of a test that has failed, which would keep us waiting.
  after(() => Promise.all(Wallet.all.map((wallet) => wallet.kill())));

  test('that a program in Rust has is refused, with who has it', async () => {
    const datadir = freshDatadir();
    const wallet = new Wallet(datadir);
    await wallet.open;
    for (const Manager of Object.values(managers)) {
      const error = await rejection(Manager.open(datadir));
      assert.ok(error instanceof LockError);
      const { pid } = wallet.process;
      assert.deepEqual([error.name, error.code, error.pid, error.datadir], ['LockError', 'ALREADY_HELD', pid, datadir]);
      assert.equal(error.message, `another process is already using datadir ${datadir} (holder PID: ${pid})`);
      assert.deepEqual(JSON.parse(JSON.stringify(error)), {
        ...{ name: 'LockError', code: 'ALREADY_HELD', message: error.message },
        ...{ datadir, pid },
      });
      const revived = LockError.from(structuredClone(error.toJSON()));
      assert.deepEqual([revived.pid, revived.datadir], [pid, datadir]);
    }
    await wallet.kill();
    const locks = await PidLockManager.open(datadir);
    assert.equal(readFileSync(join(datadir, 'LOCK'), 'utf8'), String(process.pid));
    await locks.close();
  });

  test('that JavaScript has is refused to a program in Rust', async () => {
    const datadir = freshDatadir();
    for (const Manager of Object.values(managers)) {
      const locks = await Manager.open(datadir);
      const guard = await locks.lock('lightning.send.42', { timeout: 0 });
      const refused = new Wallet(datadir);
      assert.equal(await refused.ended, 75);
      assert.match(refused.stderr, new RegExp(`another process is already using datadir .* \\(holder PID: ${process.pid}\\)`));

      // A lock that is held keeps the datadir.
      await locks.close();
      assert.equal(await new Wallet(datadir).ended, 75);
      await guard.release();
      const wallet = new Wallet(datadir);
      await wallet.open;
      await wallet.kill();
    }
  });

  test('that a killed process had is free', async () => {
    const datadir = freshDatadir();
    const source = `
      import { ${ofPlatform} } from ${JSON.stringify(packageUrl)};
      globalThis.locks = await ${ofPlatform}.open(${JSON.stringify(datadir)});
      console.log('open');
      setInterval(() => {}, 1e6);`;
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    assert.equal((await rejection(PidLockManager.open(datadir))).pid, holder.pid);
    const waiting = PidLockManager.open(datadir, { timeout: 60_000 });
    holder.kill('SIGKILL');
    await (await waiting).close();
  });

  test('is waited for on another thread, which does not block this one', async () => {
    const datadir = freshDatadir();
    const first = await FlockPidLockManager.open(datadir);
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    const error = await rejection(FlockPidLockManager.open(datadir, { timeout: 200 }));
    clearInterval(ticking);
    assert.deepEqual([error.code, error.pid], ['ALREADY_HELD', process.pid]);
    assert.ok(turns > 3, `${turns} turns`);

    const second = FlockPidLockManager.open(datadir, { timeout: Infinity });
    await first.close();
    await (await second).close();
  });

  test('is refused to another thread of the process, and free when a thread ends', async () => {
    const datadir = freshDatadir();
    const worker = thread(
      `const locks = await crosslock.${ofPlatform}.open(workerData);
      await locks.lock('k', { timeout: 0 });
      parentPort.on('message', () => {});
      parentPort.postMessage('open');`,
      { workerData: datadir },
    );
    await worker.said();
    assert.equal((await rejection(PidLockManager.open(datadir))).pid, process.pid);
    const next = PidLockManager.open(datadir, { timeout: 60_000 });
    await worker.terminate();
    await (await next).close();
  });

  test('is given up when the thread ends that waits for it', async () => {
    const datadir = freshDatadir();
    const first = await PidLockManager.open(datadir);
    const worker = thread(
      `crosslock.${ofPlatform}.open(workerData, { timeout: Infinity }).catch(() => {});
      parentPort.postMessage('waits');`,
      { workerData: datadir },
    );
    await worker.said();
    await worker.terminate();
    await first.close();
    await (await PidLockManager.open(datadir)).close();
  });

  test('is one whatever it is called', async () => {
    const datadir = freshDatadir();
    mkdirSync(datadir);
    const link = freshDatadir();
    const names = [datadir, pathToFileURL(datadir), Buffer.from(datadir), `${datadir}/../${basename(datadir)}`];
    // Wine has no junctions.
    if (!isWindows) names.push(link) && symlinkSync(datadir, link);
    for (const name of names) {
      const locks = await PidLockManager.open(name);
      assert.equal((await rejection(FlockPidLockManager.open(datadir))).code, 'ALREADY_HELD', String(name));
      await locks.close();
    }
    // No name in Windows is anything but UTF-16.
    if (isWindows) return;
    const odd = Buffer.concat([Buffer.from(freshDatadir()), Buffer.from([0xff])]);
    const locks = await PidLockManager.open(odd);
    assert.ok(statSync(odd).isDirectory());
    await locks.close();
  });

  test('answers lock() in as few turns as memory does, whatever the timeout is', async () => {
    const turnsOf = async (locks, options) => {
      let guard;
      locks.lock('turns', options).then((granted) => (guard = granted));
      let turns = 0;
      while (!guard) await turns++;
      await guard.release();
      return turns;
    };
    const datadir = await PidLockManager.open(freshDatadir());
    for (const timeout of [0, 1000, Infinity]) {
      assert.equal(await turnsOf(datadir, { timeout }), await turnsOf(new MemoryLockManager(), { timeout }), String(timeout));
    }
    await datadir.close();
  });

  test('can have its LOCK under another name', async () => {
    const datadir = freshDatadir();
    const one = await PidLockManager.open(datadir);
    const other = await PidLockManager.open(datadir, { lockFile: 'OTHER' });
    const held = await other.lock('k', { timeout: 0 });
    await (await one.lock('k', { timeout: 0 })).release();
    await held.release();
    await Promise.all([one.close(), other.close()]);
    assert.equal((await rejection(PidLockManager.open(datadir, { lockFile: 'a/b' }))).code, 'IO');
  });

  test('that cannot be locked says why', async () => {
    const file = freshDatadir();
    writeFileSync(file, '');
    const error = await rejection(PidLockManager.open(join(file, 'below')));
    // Windows says that there is no such path.
    assert.deepEqual([error.code, error.cause.code], ['IO', isWindows ? 'ENOENT' : 'ENOTDIR']);
    assert.match(error.message, /^cannot lock datadir .*below: /);
    for (const mistake of [undefined, null, 42, {}]) assert.ok((await rejection(PidLockManager.open(mistake))) instanceof TypeError);
    for (const options of [{ timeout: -1 }, { timeout: '1' }, { lockFile: 1 }, { warnAfter: NaN }]) {
      assert.ok((await rejection(PidLockManager.open(freshDatadir(), options))) instanceof TypeError, JSON.stringify(options));
    }
    assert.throws(() => new PidLockManager(), TypeError);
  });

  test('is closed once, and then takes no call', async () => {
    const locks = await PidLockManager.open(freshDatadir());
    assert.ok(locks instanceof DatadirLockManager);
    await locks.close();
    await locks.close();
    await locks[Symbol.asyncDispose]();
    for (const call of [locks.lock('k', { timeout: 0 }), locks.tryLock('k'), locks.lockMany(['k'], { timeout: 0 }), locks.query()]) {
      const error = await rejection(call);
      assert.deepEqual([error.code, error.message.includes(locks.datadir)], ['UNAVAILABLE', true]);
    }
    assert.equal((await rejection(locks.request('k', () => {}))).code, 'UNAVAILABLE');
  });

  test('has keys of its own, and shows its label', async () => {
    const key = freshKey();
    const [one, other] = await Promise.all([PidLockManager.open(freshDatadir(), { label: 'daemon' }), PidLockManager.open(freshDatadir())]);
    const guards = await Promise.all([one, other, new MemoryLockManager()].map((locks) => locks.lock(key, { timeout: 0 })));
    assert.equal((await one.query()).held[0].label, 'daemon');
    assert.match((await rejection(one.lock(key, { timeout: 5 }))).message, /held by daemon for/);
    await Promise.all(guards.map((guard) => guard.release()));
    await Promise.all([one.close(), other.close()]);
  });

  test('is of no kind that Windows has not', { skip: !isWindows }, async () => {
    const datadir = freshDatadir();
    const error = await rejection(FcntlPidLockManager.open(datadir));
    assert.deepEqual([error.code, existsSync(datadir)], ['UNSUPPORTED', false]);
    // A lock that is held cannot be replaced there.
    const locks = await FlockPidLockManager.open(datadir);
    assert.throws(() => renameSync(join(datadir, 'LOCK'), join(datadir, 'OLD')));
    assert.throws(() => unlinkSync(join(datadir, 'LOCK')));
    await locks.close();
    unlinkSync(join(datadir, 'LOCK'));
  });

  test('whose LOCK was replaced is lost, and so are its locks', { skip: isWindows }, async () => {
    const datadir = freshDatadir();
    const locks = await PidLockManager.open(datadir);
    const guard = await locks.lock('held', { timeout: 0 });
    const waits = rejection(locks.lock('held', { timeout: Infinity }));
    const running = rejection(locks.request('runs', () => new Promise(() => {})));
    await untilPending(locks, 'held', 1);
    const lost = [locks.lost, guard.lost].map((signal) => once(signal, 'abort'));
    const start = performance.now();
    renameSync(join(datadir, 'LOCK'), join(datadir, 'OLD'));
    await Promise.all(lost);
    assert.ok(performance.now() - start < 10_000);
    for (const { reason } of [locks.lost, guard.lost]) {
      assert.equal(reason.code, 'LOST');
      assert.match(reason.message, /LOCK was deleted or replaced while it was locked/);
    }
    assert.equal(guard.lost.reason.key, 'held');
    assert.equal((await waits).code, 'LOST');
    assert.equal((await running).name, 'AbortError');
    for (const call of [locks.lock('k', { timeout: 10 }), locks.tryLock('k'), locks.query()]) {
      assert.equal((await rejection(call)).code, 'LOST');
    }
    await guard.release();
    await locks.close();
    await (await PidLockManager.open(datadir)).close();
  });

  test('does not keep a process alive, unless it is waited for', async () => {
    const datadir = freshDatadir();
    const { code, stderr } = await runNode(`
      import { ${ofPlatform} } from 'crosslock';
      globalThis.locks = await ${ofPlatform}.open(${JSON.stringify(datadir)}, { timeout: 1000 });
      locks.lost.addEventListener('abort', () => {});
      await locks.lock('k', { timeout: 0 });`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    await (await PidLockManager.open(datadir)).close();
    assert.deepEqual(await requestsFor(new MemoryLockManager(), 'k'), nothing);
  });
});
