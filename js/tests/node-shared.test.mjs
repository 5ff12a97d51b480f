// Locks on a datadir that processes share by key, by the addon, against programs in Rust: examples/wallet.rs.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { DatadirLockManager, FcntlPidLockManager, FlockPidLockManager, LockError, SharedDatadirLockManager } from '../../pkg/node.js';
import { lockManagerContract } from './contract.mjs';
import { requestContract } from './request.mjs';
import { nothing, packageUrl, rejection, requestsFor, thread, untilPending } from './support.mjs';
import { threadContract } from './threads.mjs';
import { walletProgram } from './wallet.mjs';

const isWindows = process.platform === 'win32';
const folder = mkdtempSync(join(tmpdir(), 'crosslock-shared-'));

let last = 0;
const freshDatadir = () => join(folder, `datadir-${++last}`);
const open = (datadir, options) => SharedDatadirLockManager.open(datadir, options);
const opened = (datadir) => `await crosslock.SharedDatadirLockManager.open(${JSON.stringify(datadir)})`;

{
  const datadir = freshDatadir();
  const locks = await open(datadir);
  const name = 'SharedDatadirLockManager';
  const steals = false;
  lockManagerContract(name, () => locks, { scope: 'shared-datadir', steals });
  requestContract(name, () => locks, { steals });
  threadContract(name, locks, opened(datadir), { rounds: 2000 });
  // Windows does not delete what is open.
  after(async () => {
    await locks.close();
    rmSync(folder, { recursive: true, force: true });
  });
}

/** Resolves once somebody else has `key`, or waits for it, so that it cannot be had in this mode. */
async function untilTaken(locks, key, mode = 'exclusive') {
  for (let guard; (guard = await locks.tryLock(key, { mode })); await setImmediate()) await guard.release();
}

const released = (guard) => guard.release();

const isSettled = async (promise) => {
  let settled = false;
  promise.then(() => (settled = true));
  for (let i = 0; i < 20; i++) await setImmediate();
  return settled;
};

/** Resolves once no thread of a process runs any more. */
async function untilStopped(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const runs = (task) => !/^.*\) T /.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'));
  while (tasks.some(runs)) await setImmediate();
}

const started = new Set();
// A test that fails leaves its own.
after(() => {
  for (const child of started) child.kill('SIGKILL');
});

/** A process that works beside this one: jobs in, answers out. */
class Process {
  constructor(program, ...args) {
    this.process = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    started.add(this.process);
    this.lines = createInterface(this.process.stdout)[Symbol.asyncIterator]();
    this.ended = once(this.process, 'close').then(([code]) => (started.delete(this.process), code));
  }

  async says() {
    const { value } = await this.lines.next();
    return value;
  }

  async does(job) {
    this.process.stdin.write(`${job}\n`);
    return this.says();
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** The wallet in Rust, as a daemon. */
class Daemon extends Process {
  static async start(datadir) {
    const daemon = new Daemon(walletProgram(), '--share', datadir);
    assert.match(await daemon.says(), /^ready: /);
    return daemon;
  }
}

/** A program for Node that locks the keys that it is told, such as `a` or `a shared`, and says so. */
class Cli extends Process {
  static async start(datadir) {
    const cli = new Cli(
      process.execPath,
      '--input-type=module',
      '--eval',
      `import { createInterface } from 'node:readline';
      import { SharedDatadirLockManager } from ${JSON.stringify(packageUrl)};
      const locks = await SharedDatadirLockManager.open(${JSON.stringify(datadir)}, { label: 'cli' });
      console.log('ready');
      globalThis.guards = [];
      for await (const line of createInterface(process.stdin)) {
        const [key, mode] = line.split(' ');
        locks.lock(key, { timeout: Infinity, mode }).then((guard) => console.log('holds ' + guards[guards.push(guard) - 1].key));
      }`,
    );
    assert.equal(await cli.says(), 'ready');
    return cli;
  }
}

describe('a daemon in Rust', { timeout: 300_000 }, () => {
  before(() => void walletProgram(), { timeout: 300_000 });

  test('and programs in JavaScript are all let in, and wait for each other by key', async () => {
    const datadir = freshDatadir();
    const daemon = await Daemon.start(datadir);
    const locks = await open(datadir);
    assert.equal(await daemon.does('receive 5000'), 'receive 5000: received 5000');

    const guard = await locks.lock('balance.lightning', { timeout: 0 });
    const answer = daemon.does('send 42 1000');
    // It holds the payment, and waits for the balance.
    await untilTaken(locks, 'lightning.send.42');
    const error = await rejection(locks.lock('lightning.send.42', { timeout: 30 }));
    assert.equal(error.code, 'TIMED_OUT');
    assert.match(error.message, /^timed out acquiring lock "lightning.send.42" after 30ms: held by .*process.* for \d+ms$/);
    assert.equal(await isSettled(answer), false);
    const other = await locks.lock('lightning.send.43', { timeout: 0 });
    await other.release();
    await guard.release();
    assert.equal(await answer, 'send 42 1000: sent 1000');
    assert.equal(readFileSync(join(datadir, 'balance.lightning'), 'utf8'), '4000');
    await locks.close();
    await daemon.kill();
  });

  test('and one in JavaScript do not overwrite what the other has written', async () => {
    const datadir = freshDatadir();
    const daemon = await Daemon.start(datadir);
    const locks = await open(datadir);
    const file = join(datadir, 'balance.lightning');
    writeFileSync(file, '0');
    const rounds = 100;
    const here = async () => {
      for (let i = 0; i < rounds; i++) {
        const guard = await locks.lock('balance.lightning', { timeout: 60_000 });
        const balance = Number(readFileSync(file, 'utf8'));
        await setImmediate();
        writeFileSync(`${file}.js`, String(balance + 1));
        renameSync(`${file}.js`, file);
        await guard.release();
      }
    };
    const there = async () => {
      for (let i = 0; i < rounds; i++) assert.equal(await daemon.does('receive 1000'), 'receive 1000: received 1000');
    };
    await Promise.all([here(), there()]);
    assert.equal(readFileSync(file, 'utf8'), String(rounds * 1001));
    await locks.close();
    await daemon.kill();
  });

  test('that is killed frees what it held, and withdraws what it waited for', async () => {
    const datadir = freshDatadir();
    const daemon = await Daemon.start(datadir);
    const [locks, beside] = [await open(datadir), await open(datadir)];
    const reading = await locks.lock('balance.lightning', { timeout: 0, mode: 'shared' });
    void daemon.does('send 42 1000');
    await untilTaken(locks, 'lightning.send.42');
    await untilTaken(beside, 'balance.lightning', 'shared');
    // A reader stands behind the daemon, which wants to write.
    const reader = beside.lock('balance.lightning', { timeout: Infinity, mode: 'shared' });
    const next = locks.lock('lightning.send.42', { timeout: Infinity });
    assert.deepEqual(await Promise.all([isSettled(reader), isSettled(next)]), [false, false]);
    await daemon.kill();
    for (const guard of [await reader, await next, reading]) await guard.release();
    await Promise.all([locks.close(), beside.close()]);
  });

  test('has what a program in JavaScript held, or waited for, when that is killed', async () => {
    const datadir = freshDatadir();
    const daemon = await Daemon.start(datadir);
    const [holder, waiter] = [await Cli.start(datadir), await Cli.start(datadir)];
    assert.equal(await holder.does('balance.lightning'), 'holds balance.lightning');
    waiter.process.stdin.write('balance.lightning\n');
    const answer = daemon.does('receive 5000');
    assert.equal(await isSettled(answer), false);
    await waiter.kill();
    assert.equal(await isSettled(answer), false);
    await holder.kill();
    assert.equal(await answer, 'receive 5000: received 5000');
    await daemon.kill();
  });

  // Windows has no signal that stops a process.
  test('is waited for while it is stopped, and the timeout says so', { skip: isWindows }, async () => {
    const datadir = freshDatadir();
    const daemon = await Daemon.start(datadir);
    const locks = await open(datadir);
    const guard = await locks.lock('balance.lightning', { timeout: 0 });
    const answer = daemon.does('send 42 1000');
    await untilTaken(locks, 'lightning.send.42');
    daemon.process.kill('SIGSTOP');
    await untilStopped(daemon.process.pid);
    await guard.release();
    assert.equal((await rejection(locks.lock('lightning.send.42', { timeout: 100 }))).code, 'TIMED_OUT');
    daemon.process.kill('SIGCONT');
    await answer;
    await (await locks.lock('lightning.send.42', { timeout: 60_000 })).release();
    await locks.close();
    await daemon.kill();
  });

  test('that has the datadir for itself, and one who shares it, refuse each other', async () => {
    const datadir = freshDatadir();
    const alone = new Process(walletProgram(), datadir);
    assert.match(await alone.says(), /^ready: /);
    const error = await rejection(open(datadir));
    assert.ok(error instanceof LockError);
    assert.deepEqual([error.code, error.datadir, error.pid], ['ALREADY_HELD', datadir, alone.process.pid]);
    assert.match(error.message, /it has the datadir for itself/);
    const waiting = open(datadir, { timeout: 60_000 });
    await alone.kill();
    const locks = await waiting;
    for (const Manager of isWindows ? [FlockPidLockManager] : [FcntlPidLockManager, FlockPidLockManager]) {
      const error = await rejection(Manager.open(datadir));
      assert.equal(error.code, 'ALREADY_HELD');
      assert.match(error.message, /share/);
    }
    assert.equal(await new Process(walletProgram(), datadir).ended, 75);
    await locks.close();
  });
});

describe('a shared datadir', { timeout: 120_000 }, () => {
  test('lets readers of another process in after a downgrade, and no writer', async () => {
    const datadir = freshDatadir();
    const [locks, reader, writer] = [await open(datadir), await Cli.start(datadir), await Cli.start(datadir)];
    const guard = await locks.lock('k', { timeout: 0 });
    reader.process.stdin.write('k shared\n');
    // Windows shows nobody what another process waits for.
    if (!isWindows) await untilPending(locks, 'k', 1);
    await guard.downgrade();
    assert.equal(await reader.says(), 'holds k');
    writer.process.stdin.write('k\n');
    await untilTaken(locks, 'k', 'shared');
    await reader.kill();
    const said = writer.says();
    assert.equal(await isSettled(said), false);
    await guard.release();
    assert.equal(await said, 'holds k');
    await writer.kill();
    await locks.close();
  });

  test('is open to several managers of a thread, which exclude each other', async () => {
    const datadir = freshDatadir();
    const [one, other, third] = [await open(datadir), await open(datadir), await open(datadir)];
    assert.ok(one instanceof DatadirLockManager);
    const guard = await one.lock('k', { timeout: 0 });
    assert.equal(await other.tryLock('k'), null);
    const waits = ['shared', 'shared', 'exclusive'].map((mode) => other.lock('k', { timeout: Infinity, mode }));
    // What others hold is shown, by the name that the system has for them.
    const holders = (await other.query()).held.map(({ clientId }) => clientId);
    assert.deepEqual(holders, [process.platform === 'linux' ? `process ${process.pid}` : 'another process']);
    await untilPending(other, 'k', 3);
    await guard.release();
    const readers = [await waits[0], await waits[1]];
    const writer = third.lock('k', { timeout: Infinity });
    assert.equal(await one.tryLock('k', { mode: 'shared' }), null, 'a writer waits');
    for (const reader of readers) await reader.release();
    // Which of the two writers is first depends on the time: a manager hands on for 10 ms.
    for (const guard of await Promise.all([waits[2].then(released), writer.then(released)])) assert.equal(guard, undefined);
    for (const locks of [one, other, third]) assert.deepEqual(await requestsFor(locks, 'k'), nothing);
    // Free at once for others, without a wait.
    for (let i = 0; i < 100; i++) {
      await (await one.lock('k', { timeout: 0 })).release();
      await (await other.lock('k', { timeout: 0 })).release();
    }
    await Promise.all([one.close(), other.close(), third.close()]);
  });

  test('gives a signal and a timeout their way while it waits for another process', async () => {
    const datadir = freshDatadir();
    const [one, other, third] = [await open(datadir), await open(datadir), await open(datadir)];
    const guard = await third.lock('k', { timeout: 0, mode: 'shared' });
    const controller = new AbortController();
    const doomed = rejection(other.lock('k', { timeout: Infinity, signal: controller.signal }));
    await untilPending(other, 'k', 1);
    assert.equal(await one.tryLock('k', { mode: 'shared' }), null);
    controller.abort('enough');
    assert.equal(await doomed, 'enough');
    // It is in nobody's way any more, at once.
    await (await one.tryLock('k', { mode: 'shared' })).release();
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    const error = await rejection(other.lock('k', { timeout: 200 }));
    clearInterval(ticking);
    assert.ok(turns > 3, `the event loop is not blocked: ${turns} turns`);
    assert.match(error.message, /^timed out acquiring lock "k" after 200ms: held by .*process/);
    assert.ok(Number(/ for (\d+)ms$/.exec(error.message)?.[1]) >= 150, error.message);
    await (await one.tryLock('k', { mode: 'shared' })).release();
    await guard.release();
    await Promise.all([one.close(), other.close(), third.close()]);
  });

  // Windows refuses to delete or rename a file that is open.
  test('whose files were deleted is lost, and so are its locks and its waits', { skip: isWindows }, async () => {
    const datadir = freshDatadir();
    const [locks, beside] = [await open(datadir), await open(datadir)];
    const guard = await locks.lock('held', { timeout: 0 });
    const other = await beside.lock('elsewhere', { timeout: 0 });
    const waits = ['held', 'elsewhere'].map((key) => rejection(locks.lock(key, { timeout: Infinity })));
    await untilPending(locks, 'elsewhere', 1);
    const lost = [locks.lost, guard.lost].map((signal) => once(signal, 'abort'));
    renameSync(join(datadir, 'LOCKS'), join(datadir, 'OLD'));
    await Promise.all(lost);
    for (const { reason } of [locks.lost, guard.lost]) {
      assert.equal(reason.code, 'LOST');
      assert.match(reason.message, /LOCKS.* was deleted or replaced while it was in use/);
    }
    for (const wait of waits) assert.equal((await wait).code, 'LOST');
    for (const call of [locks.lock('k', { timeout: 10 }), locks.tryLock('k'), locks.query()]) {
      assert.equal((await rejection(call)).code, 'LOST');
    }
    await guard.release();
    await other.release();
    await Promise.all([locks.close(), beside.close()]);
    const again = await open(datadir);
    await (await again.lock('held', { timeout: 0 })).release();
    await again.close();
  });

  test('is given up with its last lock, and closed once', async () => {
    const datadir = freshDatadir();
    const locks = await open(datadir);
    const guard = await locks.lock('k', { timeout: 0 });
    await locks[Symbol.asyncDispose]();
    assert.equal((await rejection(FlockPidLockManager.open(datadir))).code, 'ALREADY_HELD');
    const beside = await open(datadir);
    assert.equal(await beside.tryLock('k'), null);
    await guard.release();
    await (await beside.lock('k', { timeout: 0 })).release();
    await beside.close();
    await beside.close();
    for (const call of [beside.lock('k', { timeout: 0 }), beside.tryLock('k'), beside.query()]) {
      assert.equal((await rejection(call)).code, 'UNAVAILABLE');
    }
    await (await FlockPidLockManager.open(datadir)).close();
  });

  test('is given up by a thread that ends while it waits for another process', async () => {
    const datadir = freshDatadir();
    const locks = await open(datadir);
    const guard = await locks.lock('k', { timeout: 0 });
    const worker = thread(
      `const locks = ${opened(datadir)};
      locks.lock('k', { timeout: Infinity }).catch(() => {});
      parentPort.postMessage('waits');`,
    );
    await worker.said();
    await worker.terminate();
    await guard.release();
    await locks.close();
    // Its blocked thread has woken for nobody, and keeps nothing.
    await (await FlockPidLockManager.open(datadir, { timeout: 30_000 })).close();
  });

  test('keeps a process alive for as long as it waits, and not when it holds', async () => {
    const datadir = freshDatadir();
    const locks = await open(datadir);
    const guard = await locks.lock('k', { timeout: 0 });
    // It stands in the queue before it says so, and has nothing else to do.
    const cli = new Process(
      process.execPath,
      '--input-type=module',
      '--eval',
      `import { SharedDatadirLockManager } from ${JSON.stringify(packageUrl)};
      globalThis.locks = await SharedDatadirLockManager.open(${JSON.stringify(datadir)});
      locks.lock('k', { timeout: Infinity }).then((guard) => console.log('granted', (globalThis.guard = guard).key));
      console.log('waits');`,
    );
    assert.equal(await cli.says(), 'waits');
    await guard.release();
    assert.equal(await cli.says(), 'granted k');
    assert.equal(await cli.ended, 0);
    await (await locks.lock('k', { timeout: 0 })).release();
    await locks.close();
  });
});
