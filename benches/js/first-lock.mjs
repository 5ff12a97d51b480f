// The time from the import to the first lock, in a fresh process or page.

import { compare } from './harness.mjs';

/** What is imported, and what then gives a lock. `url` says where an entry is. */
const starts = {
  'crosslock, in memory': { entry: 'index.js', lock: 'await new MemoryLockManager().lock(key, { timeout: 0 })' },
  'crosslock, Web Locks': { entry: 'index.js', lock: 'await new WebLockManager().lock(key, { timeout: 0 })' },
  '`crosslock/wasm-url`, Web Locks': { entry: 'wasm-url.js', lock: 'await new WebLockManager().lock(key, { timeout: 0 })' },
  'async-mutex': { entry: 'async-mutex', lock: 'await new Mutex().acquire()' },
  'navigator.locks, nothing to import': { lock: 'await new Promise((held) => navigator.locks.request(key, () => (held(), new Promise(() => {}))))' },
};

/**
 * @param {(entry: string) => string} url Where an entry is imported from.
 * @param {(source: string) => Promise<number>} evaluate Runs a source that returns milliseconds, in a fresh place.
 */
export const firstLock = (url, evaluate, { rounds }) =>
  compare({
    title: 'milliseconds',
    operations: 1,
    rounds,
    contestants: Object.entries(starts).map(([name, { entry, lock }]) => ({
      name,
      run: () =>
        evaluate(`(async () => {
          const key = 'lightning.send.42';
          const start = performance.now();
          ${entry ? `const { MemoryLockManager, WebLockManager, Mutex } = await import(${JSON.stringify(url(entry))});` : ''}
          globalThis.kept = ${lock};
          return performance.now() - start;
        })()`),
    })),
  });
