// The entry of the package that the shared tests are about: the page's, unless `on-node.mjs` was imported before.

const file = globalThis[Symbol.for('crosslock/tests/entry')] ?? 'index.js';
export const { LockError, LockGuard, LockManager, MemoryLockManager, WebLockManager } = await import(`../../pkg/${file}`);
