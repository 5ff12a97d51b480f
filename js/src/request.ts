// `request()`: the conversions, the checks and the callback of `LockManager.request()` in the Web
// Locks specification (https://w3c.github.io/web-locks/#api-lock-manager-request).

import { throwLater } from './call.js';
import { asRequest, domException } from './errors.js';
import { State, type Watcher } from './client.js';
import { errorOf, LockGuard } from './guard.js';
import { done } from './native-promise.js';
import { checkMode, checkTimeout, type LockMode } from './options.js';
import { checkSignal } from './signal.js';
import type { Waiter } from './waits.js';

/** Options of {@link LockManager.request}: those of `navigator.locks.request()`, and `timeout`. */
export interface RequestOptions {
  /** `'exclusive'` (the default) or `'shared'`. */
  mode?: LockMode | undefined;
  /** Do not wait, but call back with `null` if the lock is not free. Not together with `steal` or `signal`. */
  ifAvailable?: boolean | undefined;
  /**
   * Take the lock away from whoever holds it, ahead of everyone who waits. Exclusive only, and not
   * together with `ifAvailable` or `signal`.
   *
   * This is for a person who decides that the holder is dead. The victim may be in the middle of what
   * the lock protects, and it goes on until it checks `lost`.
   */
  steal?: boolean | undefined;
  /** Gives up the wait when it is aborted. It does not release a lock that was granted before. */
  signal?: AbortSignal | undefined;
  /**
   * How long to wait, in milliseconds. By default it waits for ever, as in the Web Locks API. It has no
   * effect with `ifAvailable` and `steal`, which do not wait.
   */
  timeout?: number | undefined;
}

/** What runs while the lock is held. */
export type LockCallback<T, L = LockGuard> = (lock: L) => T;

/** @internal The arguments of `request()` after all checks. */
export interface CheckedRequest<T> {
  key: string;
  mode: LockMode;
  ifAvailable: boolean;
  steal: boolean;
  signal: AbortSignal | undefined;
  timeout: number;
  callback: LockCallback<T, LockGuard | null>;
}

/** @internal Checks the arguments of `request()` in the order of the specification. */
export function checkRequest<T>(...args: unknown[]): CheckedRequest<T> {
  if (args.length < 2) throw new TypeError(`request() needs a key and a callback; got ${args.length} argument(s)`);
  const key = `${args[0] as string}`;
  const callback = args[args.length === 2 ? 1 : 2];
  const options = checkDictionary(args.length === 2 ? undefined : args[1]);
  if (typeof callback !== 'function') throw new TypeError('the callback of request() must be a function');

  const ifAvailable = Boolean(options.ifAvailable);
  const mode = checkMode(options.mode);
  const signal = checkSignal(options.signal);
  const steal = Boolean(options.steal);
  const timeout = options.timeout === undefined ? Infinity : checkTimeout(options.timeout);

  if (key.startsWith('-')) throw notSupported('names that begin with "-" are reserved');
  if (steal && ifAvailable) throw notSupported('"steal" and "ifAvailable" cannot be used together');
  if (steal && mode !== 'exclusive') throw notSupported('"steal" is for exclusive locks only');
  if (signal && (steal || ifAvailable)) throw notSupported('"signal" cannot be used with "steal" or "ifAvailable"');
  return { key, mode, ifAvailable, steal, signal, timeout, callback: callback as CheckedRequest<T>['callback'] };
}

function checkDictionary(options: unknown): RequestOptions {
  if (options === undefined || options === null) return {};
  if (typeof options === 'object' || typeof options === 'function') return options;
  throw new TypeError('the options of request() must be an object');
}

function notSupported(message: string): Error {
  return domException(message, 'NotSupportedError');
}

/**
 * Runs the callback, and frees the lock when what it returned is settled. If the lock is lost before that,
 * the result is an `AbortError`, whatever becomes of the callback. If it was lost before the callback was run,
 * the callback is not run.
 *
 * @internal
 */
export class Hold<T> implements Waiter, Watcher {
  readonly #callback: LockCallback<T>;
  readonly #resolve: (value: Awaited<T> | Promise<never>) => void;
  readonly #reject: (thrown: unknown) => void;
  #guard!: LockGuard;

  constructor(callback: LockCallback<T>, resolve: (value: Awaited<T> | Promise<never>) => void, reject: (thrown: unknown) => void) {
    this.#callback = callback;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  granted(guard: LockGuard): void {
    this.#guard = guard;
    // Not within the call, and not within the release of another, because the callback may do anything.
    void done.then(() => this.#run());
  }

  /** The lock was not acquired. */
  failed(thrown: unknown): void {
    this.#resolve(throwLater(thrown, true));
  }

  #run(): void {
    // Not called as our method, or we would be its `this`.
    const callback = this.#callback;
    const loss = LockGuard.lossOf(this.#guard);
    if (loss) return this.#threw(asRequest(loss));
    let result: T;
    try {
      result = callback(this.#guard);
    } catch (thrown) {
      return this.#threw(thrown);
    }
    if (!canWait(result)) return this.#returned(result as Awaited<T>);
    LockGuard.watch(this.#guard, this);
    try {
      Promise.resolve(result).then(
        (value) => this.#returned(value),
        (thrown) => this.#threw(thrown),
      );
    } catch (thrown) {
      this.#threw(thrown); // a promise of a foreign class
    }
  }

  changed(state: number): void {
    // Later: all watchers are to be told first.
    if ((state & 7) === State.Lost) void done.then(() => this.#reject(asRequest(errorOf(state, this.#guard.key))));
  }

  #returned(value: Awaited<T>): void {
    const released = this.#guard.release();
    if (released === done) this.#resolve(value);
    else void released.then(() => this.#resolve(value));
  }

  #threw(thrown: unknown): void {
    const released = this.#guard.release();
    if (released === done) this.#reject(thrown);
    else void released.then(() => this.#reject(thrown));
  }
}

/** @internal The result of a callback that gets no lock. */
export async function callWith<T>(callback: LockCallback<T, null>, lock: null): Promise<Awaited<T>> {
  return await callback(lock);
}

/** Whether it may be a promise, so that the lock can be lost while it is awaited. */
const canWait = (result: unknown) => (typeof result === 'object' && result !== null) || typeof result === 'function';
