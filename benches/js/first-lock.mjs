// The time from the import to the first lock, in a fresh process or page.

import { compare } from './harness.mjs';

export const inMemory = 'await new MemoryLockManager().lock(key, { timeout: 0 })';
const web = 'await new WebLockManager().lock(key, { timeout: 0 })';

/** The entry that is imported, and what then gives a lock. */
const starts = {
  'crosslock, in memory': ['index.js', inMemory],
  'crosslock, Web Locks': ['index.js', web],
  '`crosslock/wasm-url`, Web Locks': ['wasm-url.js', web],
  'async-mutex': ['async-mutex', 'await new Mutex().acquire()'],
  'navigator.locks, nothing to import': [
    undefined,
    'await new Promise((held) => navigator.locks.request(key, () => (held(), new Promise(() => {}))))',
  ],
};

/**
 * @param {(entry: string) => string} url Where an entry is imported from.
 * @param {(source: string, entry?: string) => Promise<number>} evaluate Runs a source that returns
 *   milliseconds, in a fresh place.
 */
export const firstLock = (url, evaluate, { rounds, others = {} }) =>
  compare({
    title: 'time',
    operations: 1,
    rounds,
    contestants: Object.entries({ ...starts, ...others }).map(([name, [entry, lock]]) => ({
      name,
      run: () => evaluate(source(entry && `await import(${JSON.stringify(url(entry))})`, lock), entry),
    })),
  });

const source = (imported, lock) => `(async () => {
  const key = 'lightning.send.42';
  const start = performance.now();
  const { MemoryLockManager, WebLockManager, Mutex } = ${imported ?? '{}'};
  globalThis.kept = ${lock};
  return performance.now() - start;
})()`;
