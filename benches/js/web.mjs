// Locks among tabs, workers and threads: ours, and the platform's own.

import { WebLockManager } from '../../pkg/index.js';

/**
 * @typedef {object} Web
 * @property {string} name
 * @property {(key: string, callback: () => unknown) => Promise<unknown>} request
 * @property {(key: string) => Promise<() => Promise<unknown>>} lock Gives what releases, which resolves
 *   when it has.
 * @property {(key: string) => Promise<(() => Promise<unknown>) | null>} tryLock
 */

/** @returns {Web[]} */
export const web = () => [ours('crosslock'), ours('`passing: false`', { passing: false }), raw];

/** @returns {Web} */
function ours(name, options) {
  const locks = new WebLockManager(options);
  return {
    name,
    request: (key, callback) => locks.request(key, callback),
    async lock(key) {
      const guard = await locks.lock(key, { timeout: Infinity });
      return () => guard.release();
    },
    async tryLock(key) {
      const guard = await locks.tryLock(key);
      return guard && (() => guard.release());
    },
  };
}

/** @type {Web} */
const raw = {
  name: 'navigator.locks',
  request: (key, callback) => navigator.locks.request(key, callback),
  lock: (key) => guard(key, {}),
  tryLock: (key) => guard(key, { ifAvailable: true }),
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
