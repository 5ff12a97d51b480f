// Locks among tabs, workers and threads: ours, and the platform's own.

import { WebLockManager } from '../../pkg/index.js';
import { ifAny, others } from './others.mjs';

/**
 * @typedef {object} Web
 * @property {string} name
 * @property {(key: string, callback: () => unknown) => Promise<unknown>} request
 * @property {(key: string) => Promise<any>} lock Gives what {@link release} takes.
 * @property {(key: string) => Promise<any>} tryLock Gives the same, or `null`.
 * @property {(held: any) => Promise<unknown>} release Resolves when it has.
 * @property {(key: string) => Promise<boolean>} isPending Whether a request is in the queue.
 */

/** @returns {Web[]} */
export const web = () => [
  ours('crosslock'),
  ours('`passing: false`', { passing: false }),
  ...ifAny(others.web),
  raw,
];

/** In the queue of the platform, which is what counts. */
const isPending = async (key) =>
  (await navigator.locks.query()).pending.some(({ name }) => name.endsWith(key));

/** @returns {Web} */
function ours(name, options) {
  const locks = new WebLockManager(options);
  return {
    name,
    request: (key, callback) => locks.request(key, callback),
    lock: (key) => locks.lock(key, { timeout: Infinity }),
    tryLock: (key) => locks.tryLock(key),
    release: (guard) => guard.release(),
    isPending,
  };
}

/** @type {Web} */
const raw = {
  name: 'navigator.locks',
  request: (key, callback) => navigator.locks.request(key, callback),
  lock: (key) => guard(key, {}),
  tryLock: (key) => guard(key, { ifAvailable: true }),
  release: (free) => free(),
  isPending,
};

/** What everyone writes who needs a guard of the platform's lock. */
function guard(key, options) {
  return new Promise((resolve, reject) => {
    const ended = navigator.locks.request(key, options, (lock) => {
      if (lock === null) return resolve(null);
      return new Promise((release) => {
        resolve(() => {
          release();
          return ended;
        });
      });
    });
    ended.catch(reject);
  });
}
