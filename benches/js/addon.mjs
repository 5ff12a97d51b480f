// Has the addon of Node compared as well, where this is imported before the scenes.

import { MemoryLockManager } from '../../pkg/node.js';
import { others } from './others.mjs';

const release = (guard) => guard.release();

others.keyed = () => {
  const locks = new MemoryLockManager();
  return {
    name: 'crosslock, by the addon',
    lock: (key) => locks.lock(key, { timeout: Infinity }),
    release,
    request: (key, callback) => locks.request(key, callback),
  };
};

/** Its locks in memory are those of all threads. */
others.web = () => {
  const locks = new MemoryLockManager();
  return {
    name: 'the addon, in memory',
    request: (key, callback) => locks.request(key, callback),
    lock: (key) => locks.lock(key, { timeout: Infinity }),
    tryLock: (key) => locks.tryLock(key),
    release,
    isPending: async (key) => (await locks.query()).pending.some((request) => request.key === key),
  };
};
