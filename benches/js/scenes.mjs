// What is compared within one page, worker or thread.

import { each } from './harness.mjs';
import { crosslock, crosslockWithTimeout, peers } from './keyed.mjs';
import { ifAny, others } from './others.mjs';
import { web } from './web.mjs';

/** 17 bytes, as long as keys are wont to be. */
export const KEY = 'lightning.send.42';

/** @typedef {import('./harness.mjs').Scene} Scene */

/**
 * Those of `MemoryLockManager`, by what is done with it.
 *
 * @returns {Record<string, Scene[]>}
 */
export function memoryScenes({ rounds }) {
  const all = [crosslock(), crosslockWithTimeout(), ...ifAny(others.keyed), ...peers()];
  const byLock = all.filter(({ lock }) => lock);
  const byRequest = all.filter(({ request }) => request);
  const scenes = (contestants, once, queue) => [
    { title: 'uncontended', operations: 5_000, rounds: 2 * rounds, contestants: contestants.map(once) },
    { title: '100 waiters', operations: 1_000, rounds, contestants: contestants.map(queue(100)) },
    { title: '10,000 waiters', operations: 10_000, rounds, contestants: contestants.map(queue(10_000)) },
  ];
  return {
    '`lock()` and release': scenes(byLock, cycleLock, queueLocks),
    '`request()` with a callback': scenes(byRequest, cycleRequest, queueRequests),
  };
}

/**
 * Those of `WebLockManager` when nobody else wants the lock.
 *
 * @returns {Scene[]}
 */
export function uncontendedScenes({ operations, rounds }) {
  const scene = (title, cycle) => ({ title, operations, rounds: 2 * rounds, contestants: web().map(cycle) });
  return [
    scene('`request()`, uncontended', cycleRequest),
    scene('`lock()` and release, uncontended', cycleLock),
    scene('`tryLock()` and release, uncontended', cycleTry),
  ];
}

/**
 * Those of `WebLockManager` when many tasks of one page, worker or thread want the lock. A long queue
 * gets fewer rounds, as the platform's own is slow, and quadratic in Node.
 *
 * @returns {Scene[]}
 */
export function queueScenes({ operations, rounds }) {
  const scene = (title, operations, rounds, queue) => {
    return { title, operations, rounds, contestants: web().map(queue) };
  };
  const fewer = Math.ceil(rounds / 3);
  return [
    scene('`request()`, 100 tasks queue', operations, rounds, queueRequests(100)),
    scene('`request()`, 1,000 tasks queue', 1_000, fewer, queueRequests(1_000)),
    scene('`request()`, 10,000 tasks queue', 10_000, 3, queueRequests(10_000)),
    scene('`lock()` and release, 1,000 tasks queue', 1_000, fewer, queueLocks(1_000)),
  ];
}

/** What is worth a lock is asynchronous; and Node frees many at once whose callbacks are not. */
const nothing = async () => {};

const cycleRequest = ({ name, request }) => each(name, () => request(KEY, nothing));

const cycleLock = (contestant) => each(contestant.name, turnOf(contestant));

const cycleTry = ({ name, tryLock, release }) => each(name, turnOf({ lock: tryLock, release }));

/** As whoever uses it writes it: what a wrapper takes would be its own. */
export const turnOf = ({ lock, release }, key = KEY) =>
  release ? async () => release(await lock(key)) : async () => (await lock(key))();

/** So many tasks ask at once, so that all but the first queue: the time of each turn, with its queueing. */
const queueRequests =
  (count) =>
  ({ name, request }) =>
    inBatches(name, count, () => request(KEY, nothing));

const queueLocks = (count) => (contestant) => inBatches(contestant.name, count, turnOf(contestant));

/** A contestant that does so many operations at once, or all if it is asked for fewer. */
function inBatches(name, count, operation) {
  return {
    name,
    async run(times) {
      const length = Math.min(count, times);
      const start = performance.now();
      for (let done = 0; done < times; done += length) await Promise.all(Array.from({ length }, operation));
      return performance.now() - start;
    },
  };
}

/**
 * What it takes to enter wasm at all, before anything is done there.
 *
 * @returns {Scene}
 */
export function boundary({ rounds }) {
  // (func (export "same") (param i32) (result i32) local.get 0), and a memory.
  const module = new WebAssembly.Module(
    Uint8Array.of(
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f],
      ...[3, 2, 1, 0],
      ...[5, 3, 1, 0, 1],
      ...[7, 0x11, 2, 4, 0x73, 0x61, 0x6d, 0x65, 0, 0, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0],
      ...[0x0a, 6, 1, 4, 0, 0x20, 0, 0x0b],
    ),
  );
  const { same, memory } = new WebAssembly.Instance(module).exports;
  const encoder = new TextEncoder();
  const bytes = new Uint8Array(memory.buffer);
  const contestants = [
    inLoop('a function of JavaScript', (i) => i),
    inLoop('a function of wasm', same),
    inLoop('the same, with a key of 17 bytes', () => same(encoder.encodeInto(KEY, bytes).written)),
    each('an `await`', () => {}),
  ];
  return { title: 'the boundary of wasm: a call of', operations: 100_000, rounds, contestants };
}

function inLoop(name, operation) {
  let sum = 0;
  return {
    name,
    run(times) {
      const start = performance.now();
      for (let i = 0; i < times; i++) sum = (sum + operation(i)) | 0;
      return performance.now() - start;
    },
  };
}
