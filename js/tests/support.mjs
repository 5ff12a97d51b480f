// What the tests share.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const entry = (file) => new URL(`../../pkg/${file}`, import.meta.url).href;

/** The entries of the built package, as a child process or a worker imports them. */
export const entries = { crosslock: entry('index.js'), 'crosslock/wasm-url': entry('wasm-url.js') };

/** The entry that the tests of this process are about: see `entry.mjs`. */
export const packageUrl = entry(globalThis[Symbol.for('crosslock/tests/entry')] ?? 'index.js');

export const hasWebLocks = globalThis.navigator?.locks !== undefined;

let last = 0;

/** A key that no other test uses: all memory managers share one keyspace, and so do all Web Locks. */
export const freshKey = (name = 'key') => `${name}.${process.pid}.${++last}`;

/** Resolves when so many requests for `key` wait; a test that times out here waits for ever. */
export async function untilPending(locks, key, count) {
  for (;;) {
    const { pending } = await locks.query();
    if (pending.filter((request) => request.key === key).length === count) return;
    await setImmediate();
  }
}

/** What is known of `key`, without what differs from run to run. */
export async function requestsFor(locks, key) {
  const { held, pending } = await locks.query();
  const modes = (requests) => requests.filter((request) => request.key === key).map(({ mode }) => mode);
  return { held: modes(held), pending: modes(pending) };
}

export const nothing = { held: [], pending: [] };

/** A promise with its resolvers. */
export function deferred() {
  let resolve, reject;
  const promise = new Promise((...resolvers) => ([resolve, reject] = resolvers));
  return { promise, resolve, reject };
}

/** What a promise was rejected with; fails if it was not. */
export const rejection = (promise) =>
  promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${value}`);
    },
    (reason) => reason,
  );

/**
 * Runs a module in a Node of its own, where 'crosslock' is the URL `crosslock`. A process that does not
 * end is killed: its exit code is `null`.
 */
export async function runNode(source, { flags = [], crosslock = packageUrl } = {}) {
  const args = [...flags, '--input-type=module', '--eval', source.replaceAll("'crosslock'", JSON.stringify(crosslock))];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000, killSignal: 'SIGKILL' });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => (output[stream] += text));
  const [code] = await once(child, 'close');
  return { code, ...output };
}

/**
 * A thread that runs the body of an async function, which has all of the package, `parentPort` and
 * `workerData`. `said` resolves to the next message that it posts.
 */
export function thread(body, { crosslock = packageUrl, ...options } = {}) {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(crosslock)}).then(async (crosslock) => {
      const { MemoryLockManager, WebLockManager, platformDefault } = crosslock;
      ${body}
    });`,
    { eval: true, ...options },
  );
  const said = () => new Promise((resolve) => worker.once('message', resolve));
  const ended = new Promise((resolve) => worker.once('exit', (code) => resolve([code])));
  return Object.assign(worker, { said, ended });
}
