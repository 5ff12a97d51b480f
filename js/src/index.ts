/// <reference lib="esnext.disposable" preserve="true" />

/**
 * Named async locks across browser tabs, workers and Node threads.
 *
 * @packageDocumentation
 */

export { LockError, type LockErrorCode, type LockErrorData, type LockErrorOptions } from './errors.js';
export type { LockGuards } from './group.js';
export { LockGuard } from './guard.js';
export { LockManager, type LockManagerOptions, type LockScope } from './manager.js';
export { MemoryLockManager } from './memory.js';
export type { LockMode, LockOptions, TryLockOptions, WaitOptions } from './options.js';
export { platformDefault } from './platform.js';
export type { LockCallback, RequestOptions } from './request.js';
export type { LockInfo, LockSnapshot } from './snapshot.js';
export { WebLockManager, type WebLockManagerOptions } from './web.js';
