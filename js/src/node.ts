/// <reference lib="esnext.disposable" preserve="true" />

/**
 * Named async locks across browser tabs, workers, the threads of Node, and programs on one datadir.
 *
 * @packageDocumentation
 */

// What Node, Bun, Deno and Electron's main process get, and the types of what all places get.

export { LockError, type LockErrorCode, type LockErrorData, type LockErrorOptions } from './errors.js';
export type { LockGuards } from './group.js';
export { LockGuard } from './guard.js';
export { LockManager, type LockManagerOptions, type LockScope } from './manager.js';
export type { LockMode, LockOptions, TryLockOptions, WaitOptions } from './options.js';
export type { LockCallback, RequestOptions } from './request.js';
export type { LockInfo, LockSnapshot } from './snapshot.js';
export { WebLockManager, type WebLockManagerOptions } from './web.js';
export {
  DatadirLockManager,
  type DatadirOptions,
  FcntlPidLockManager,
  FlockPidLockManager,
  SharedDatadirLockManager,
} from './node/datadir.js';
export { MemoryLockManager } from './node/memory.js';
export { type PlatformOptions, platformDefault } from './node/platform.js';
