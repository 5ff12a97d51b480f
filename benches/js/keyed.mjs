// Keyed locks within one page, worker or thread: ours, and what others offer for the same purpose, in
// the two forms that they come in. `lock` gives what releases, `request` holds during a callback.

import AsyncAwaitMutexLock from 'async-await-mutex-lock';
import AsyncLock from 'async-lock';
import { Mutex } from 'async-mutex';
import pLimit from 'p-limit';
import superlock from 'superlock';
import { MemoryLockManager } from '../../pkg/index.js';

/**
 * @typedef {object} Keyed
 * @property {string} name
 * @property {(key: string) => Promise<unknown>} [lock] Gives what {@link release} takes.
 * @property {(held: any) => unknown} [release] Left out where `lock` gives a function to call.
 * @property {(key: string, callback: () => unknown) => Promise<unknown>} [request]
 */

/** Ours. @returns {Keyed} */
export function crosslock() {
  const locks = new MemoryLockManager();
  return {
    name: 'crosslock',
    lock: (key) => locks.lock(key, { timeout: Infinity }),
    release,
    request: (key, callback) => locks.request(key, callback),
  };
}

/** Ours, with a timeout for each wait, which the peers do without. @returns {Keyed} */
export function crosslockWithTimeout() {
  const locks = new MemoryLockManager();
  return { name: 'crosslock, with a timeout', lock: (key) => locks.lock(key, { timeout: 10_000 }), release };
}

const release = (guard) => guard.release();

/** Everyone else's. Those that have no keys are kept in a map by key, for ever. @returns {Keyed[]} */
export function peers() {
  const asyncLock = new AsyncLock({ maxPending: Infinity });
  const asyncAwait = new AsyncAwaitMutexLock.Lock();
  const mutexes = perKey(() => new Mutex());
  const withLocks = perKey(() => superlock.withLock());
  const createdLocks = perKey(() => superlock.createLock());
  const limits = perKey(() => pLimit(1));
  return [
    {
      name: 'async-mutex',
      lock: (key) => mutexes(key).acquire(),
      request: (key, callback) => mutexes(key).runExclusive(callback),
    },
    { name: 'async-lock', request: (key, callback) => asyncLock.acquire(key, callback) },
    {
      name: 'superlock',
      lock: (key) => createdLocks(key)(),
      request: (key, callback) => withLocks(key)(callback),
    },
    { name: 'p-limit(1)', request: (key, callback) => limits(key)(callback) },
    {
      name: 'async-await-mutex-lock',
      async lock(key) {
        await asyncAwait.acquire(key);
        return () => asyncAwait.release(key);
      },
    },
    plain(),
  ];
}

/**
 * What plain JavaScript takes at the least: a queue for each key, freed with its last holder.
 *
 * @returns {Keyed}
 */
function plain() {
  const queues = new Map();
  const release = (key) => {
    const queue = queues.get(key);
    if (queue.length === queue.next) return void queues.delete(key);
    queue[queue.next++]();
  };
  const lock = (key) =>
    new Promise((resolve) => {
      const granted = () => resolve(() => release(key));
      const queue = queues.get(key);
      if (queue) return void queue.push(granted);
      queues.set(key, Object.assign([], { next: 0 }));
      granted();
    });
  const request = async (key, callback) => {
    const release = await lock(key);
    try {
      return await callback();
    } finally {
      release();
    }
  };
  return { name: 'floor: a Map of queues', lock, request };
}

function perKey(make) {
  const made = new Map();
  return (key) => {
    let one = made.get(key);
    if (!one) made.set(key, (one = make()));
    return one;
  };
}
