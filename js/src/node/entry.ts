// What Node, Bun, Deno and Electron's main process get.

export { LockError, type LockErrorCode, type LockErrorData } from '../errors.js';
export type { LockGuards } from '../group.js';
export { LockGuard } from '../guard.js';
export { LockManager, type LockManagerOptions, type LockScope } from '../manager.js';
export type { LockMode, LockOptions, TryLockOptions, WaitOptions } from '../options.js';
export { platformDefault } from '../platform.js';
export type { LockCallback, RequestOptions } from '../request.js';
export type { LockInfo, LockSnapshot } from '../snapshot.js';
export { WebLockManager, type WebLockManagerOptions } from '../web.js';
export { DatadirLockManager, type DatadirOptions, FcntlPidLockManager, FlockPidLockManager } from './datadir.js';
export { MemoryLockManager } from './memory.js';
