import type { LockMode } from './options.js';
import type { Known } from './web-query.js';

/** One request of a {@link LockSnapshot}, held or pending. */
export interface LockInfo {
  /** The key. */
  key: string;
  /** The same as `key`, by the name that the Web Locks API has for it. */
  name: string;
  /** The mode of the request. */
  mode: LockMode;
  /**
   * The id of the page, worker or thread that made the request: the browser's (`WebLockManager`), or one
   * that was made up for this purpose (`MemoryLockManager`, which has only one).
   */
  clientId: string;
  /** The label of the manager that made the request, if it has one (`MemoryLockManager`). */
  label?: string;
  /** For how long it has been held or pending, in milliseconds, if that is known. It is not for other tabs. */
  age?: number;
}

/**
 * The requests that a manager knew of at one time, shaped like the result of
 * `navigator.locks.query()`. It is out of date as soon as it is made: use it to show or to debug,
 * never to decide what to lock.
 */
export interface LockSnapshot {
  /** The locks that are held. */
  held: LockInfo[];
  /** The requests that wait. Those for one key are in the order of the queue. */
  pending: LockInfo[];
}

/** @internal A request. Its client is `clientId` if no other is known. */
export function lockInfo({ key, mode, age, client, label }: Known, clientId: string): LockInfo {
  return {
    key,
    name: key,
    mode,
    clientId: client ?? clientId,
    ...(label === undefined ? {} : { label }),
    ...(age === undefined ? {} : { age }),
  };
}
