import { describe } from './describe.js';

/** How a lock is held: by one `'exclusive'` holder, or by any number of `'shared'` ones. */
export type LockMode = 'exclusive' | 'shared';

/** Options of {@link LockManager.tryLock}. */
export interface TryLockOptions {
  /** `'exclusive'` (the default) or `'shared'`. */
  mode?: LockMode | undefined;
}

/** Options of {@link LockManager.lockMany}. */
export interface WaitOptions {
  /**
   * How long to wait, in milliseconds. `0` tries once; `Infinity` waits for ever.
   *
   * It is required, so that nobody waits for ever by mistake.
   */
  timeout: number;
  /**
   * When it is aborted, the wait is given up: the promise is rejected with the signal's own reason, and
   * nothing is left in the queue. It does not release a lock that was granted before.
   */
  signal?: AbortSignal | undefined;
}

/** Options of {@link LockManager.lock}. */
export interface LockOptions extends WaitOptions, TryLockOptions {}

/** @internal Checks a time in milliseconds. */
export function checkTimeout(timeout: unknown, name = 'timeout'): number {
  // `NaN >= 0` is false.
  if (typeof timeout === 'number' && timeout >= 0) return timeout;
  throw new TypeError(`${name} must be a number of milliseconds, 0 or more, or Infinity for no limit; got ${describe(timeout)}`);
}

/** @internal Checks a mode, converting it as WebIDL converts enumerations. */
export function checkMode(mode: unknown): LockMode {
  if (mode === undefined) return 'exclusive';
  const name = `${mode as string}`;
  if (name === 'exclusive' || name === 'shared') return name;
  throw new TypeError(`mode must be 'exclusive' or 'shared'; got ${describe(mode)}`);
}

/** @internal Checks that a key is a string. The rules check the rest. */
export function checkKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new TypeError(`a key must be a string; got ${describe(key)}`);
}

/** @internal Checks that required options are there. */
export function checkOptions<T extends object>(options: T): T {
  if (typeof options === 'object' && options !== null) return options;
  throw new TypeError(`options must be an object with a timeout in milliseconds; got ${describe(options)}`);
}
