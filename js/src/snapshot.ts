import type { LockMode } from './options.js';
import type { Known } from './web-query.js';

/** One request of a {@link LockSnapshot}, held or pending. */
export interface LockInfo {
  /** The key. */
  key: string;
  /** The same as `key`, by the name that the Web Locks API has for it. */
  name: string;
  /** The mode that was asked for. */
  mode: LockMode;
  /**
   * The id of the page, worker or thread that asked: the browser's (`WebLockManager`), or one that
   * was made up for this purpose (`MemoryLockManager`, which knows only of one).
   */
  clientId: string;
  /** The label of the manager that asked, if it has one (`MemoryLockManager`). */
  label?: string;
  /** For how long it has been held or pending, in milliseconds, where that is known: not for other tabs. */
  age?: number;
}

/**
 * The requests that a manager knew of at one moment, shaped like the result of
 * `navigator.locks.query()`. It is out of date as soon as it is made: look at it to show or debug,
 * never to decide what to lock.
 */
export interface LockSnapshot {
  /** The locks that are held. */
  held: LockInfo[];
  /** The requests that wait; those for one key stand in the order of their turns. */
  pending: LockInfo[];
}

/** @internal A request, whose client is that one where nothing else is known. */
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
