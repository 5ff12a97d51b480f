import type { Crate, GuardNumber, Manager, Requests } from '#wasm-glue';
import { fromCrate, fromRequest, throwFromCrate } from './errors.js';
import { group, type LockGuards } from './group.js';
import { free, LockGuard } from './guard.js';
import {
  checkKey,
  checkMode,
  checkOptions,
  checkTimeout,
  type LockMode,
  type LockOptions,
  type TryLockOptions,
  type WaitOptions,
} from './options.js';
import { checkRequest, holdDuring, type LockCallback, type RequestOptions } from './request.js';
import { checkSignal, readReason } from './signal.js';
import { lockInfo, type Asker, type LockSnapshot } from './snapshot.js';
import { answerTo, crate, crateAtOnce, unlessAborted, withCrate, type Question } from './wasm.js';

/**
 * Whom a manager's locks exclude:
 *
 * - `'process'`: everything in this process that shares the manager's locks, and nothing else;
 * - `'datadir'`: the tasks of one process by key, and every other process on the same directory as a whole;
 * - `'origin'`: all tabs and workers of one origin in one browser profile;
 * - `'unspecified'`: the backend does not say.
 */
export type LockScope = 'process' | 'datadir' | 'origin' | 'unspecified';

/** Options that every manager has. */
export interface LockManagerOptions {
  /**
   * What this manager is called in warnings; for a `MemoryLockManager` also in `query()`, and in the
   * errors of those who time out behind it.
   */
  label?: string | undefined;
  /**
   * When a lock is held for longer than this, in milliseconds, `console.warn` says so, with its key.
   * The lock stays held. Off by default.
   */
  warnAfter?: number | undefined;
}

/** The name of a member that nobody outside of this package can write down. */
export declare const sealed: unique symbol;

/** How a manager comes by its locks. */
interface Backend {
  open(from: Crate['Manager']): Manager;
  asker: Asker;
}

/**
 * Named locks. A key is 1 to 200 ASCII letters, digits, `-`, `_` and `.`, the first and the last a
 * letter or digit.
 *
 * - **Fair.** First come, first served, as in the Web Locks specification: a request is granted when
 *   no earlier request for its key, held or pending, conflicts with it. Writers do not starve.
 * - **No polling.** The release itself wakes the next in the queue.
 * - **Not re-entrant.** Whoever asks for a key that it already holds waits like anyone else, until
 *   its timeout.
 * - **Advisory.** A lock keeps out those who ask for it, in the manager's {@link LockManager.scope | scope},
 *   and nobody else. It does not undo what a holder did before it lost the lock or crashed.
 *
 * Nothing is loaded or touched before the first call. Every method can fail with a {@link LockError}
 * of code `UNAVAILABLE`.
 */
export abstract class LockManager {
  /**
   * Not there: it keeps the types from being extended, as only the managers of this package can open
   * locks. A manager of your own can have one of these inside.
   */
  protected abstract readonly [sealed]: never;

  /** Whom this manager's locks exclude. */
  abstract readonly scope: LockScope;

  readonly #backend: Backend;
  readonly #options: LockManagerOptions;
  #manager: Manager | undefined;

  /** @internal */
  protected constructor(backend: Backend, { label, warnAfter }: LockManagerOptions) {
    if (warnAfter !== undefined) checkTimeout(warnAfter, 'warnAfter');
    this.#backend = backend;
    this.#options = { label, warnAfter };
  }

  /**
   * Waits for the lock on `key`, in turn, for at most `timeout` milliseconds.
   *
   * Aborting `signal` gives up the wait, leaves nothing in the queue, and rejects with the signal's
   * own reason. A signal that is aborted already does so before anything is requested.
   *
   * @throws {@link LockError} `TIMED_OUT`, `INVALID_KEY` (at once), `UNAVAILABLE`.
   * @throws TypeError if `timeout` is left out, negative or not a number.
   */
  lock(key: string, options: LockOptions): Promise<LockGuard> {
    try {
      const { timeout, signal, mode } = checkOptions(options);
      return this.#wait(checkKey(key), checkMode(mode), checkTimeout(timeout), checkSignal(signal));
    } catch (mistake) {
      return Promise.reject(mistake);
    }
  }

  /**
   * Takes the lock on `key` if that is possible without waiting for a holder. `null` means that
   * somebody else holds it, or is queued for it; everything else that prevents it is thrown.
   *
   * @throws {@link LockError} `INVALID_KEY`, `UNAVAILABLE`.
   */
  async tryLock(key: string, options: TryLockOptions = {}): Promise<LockGuard | null> {
    return this.#try(checkKey(key), checkMode(checkOptions(options).mode));
  }

  /**
   * Takes the exclusive locks on all `keys`, or none of them, within `timeout` milliseconds over all.
   *
   * They are taken in one global order, so two callers that name the same keys in different orders
   * cannot deadlock, as long as they hold no other locks meanwhile. A key that is named twice is
   * locked once. While it waits for one key, it holds those before it.
   *
   * @throws as {@link LockManager.lock}. All keys are checked before the first is locked; a timeout
   * names the key that could not be had. What was locked by then is free again.
   */
  async lockMany(keys: Iterable<string>, options: WaitOptions): Promise<LockGuards> {
    const { timeout, signal } = checkOptions(options);
    // A string is an iterable of its characters, which nobody means.
    if (typeof keys === 'string') throw new TypeError('lockMany() needs an array of keys, not a string');
    const list = Array.from(keys, checkKey);
    const limit = checkTimeout(timeout);
    const held = await this.#ask<GuardNumber[]>(
      (manager, answer) => manager.lockMany(list, limit, answer),
      checkSignal(signal),
      (held) => held.forEach(free),
    ).catch(throwFromCrate);
    return group(held.map((guard) => this.#guard(guard, crate.key(guard) ?? '', 'exclusive')));
  }

  /**
   * Runs `callback` while the lock on `key` is held, and frees it when what the callback returned is
   * settled, which then is the result: `navigator.locks.request()` of the Web Locks API, with its
   * options and its errors, and a `timeout`.
   *
   * The callback gets the lock as a {@link LockGuard}; with `ifAvailable` it gets `null` if the lock
   * is not free.
   *
   * @throws what the callback throws.
   * @throws {@link LockError} as {@link LockManager.lock}, if the lock was not acquired.
   * @throws DOMException `NotSupportedError` for options that exclude each other and for a key that
   * begins with `-`, `AbortError` if the lock was lost: before the callback had its turn, which then is
   * not run, or while it ran (it is not interrupted: look at `lost`).
   * @throws TypeError for arguments of the wrong kind.
   */
  request<T>(key: string, callback: LockCallback<T>): Promise<Awaited<T>>;
  request<T>(
    key: string,
    options: RequestOptions & { ifAvailable?: false | undefined },
    callback: LockCallback<T>,
  ): Promise<Awaited<T>>;
  request<T>(key: string, options: RequestOptions, callback: LockCallback<T, LockGuard | null>): Promise<Awaited<T>>;
  async request<T>(...args: unknown[]): Promise<Awaited<T>> {
    const { key, mode, ifAvailable, steal, signal, timeout, callback } = checkRequest<T>(...args);
    if (ifAvailable) {
      const guard = await this.#try(key, mode, fromRequest);
      return guard ? holdDuring(guard, callback) : await callback(null);
    }
    const guard = steal ? await this.#steal(key) : await this.#wait(key, mode, timeout, signal, fromRequest);
    return holdDuring(guard, callback);
  }

  /**
   * Who holds what, and who waits, at this moment.
   *
   * @throws {@link LockError} `UNAVAILABLE`.
   */
  async query(): Promise<LockSnapshot> {
    const { held, pending } = await this.#ask<Requests>((manager, answer) => manager.query(answer)).catch(throwFromCrate);
    const { asker } = this.#backend;
    return {
      held: held.map((request) => lockInfo(request, asker)),
      pending: pending.map((request) => lockInfo(request, asker)),
    };
  }

  async #wait(
    key: string,
    mode: LockMode,
    timeout: number,
    signal: AbortSignal | undefined,
    toThrow = fromCrate,
  ): Promise<LockGuard> {
    const acquire: Question<GuardNumber> = (manager, answer) =>
      manager.acquire(key, mode === 'shared', timeout, answer);
    try {
      return this.#guard(await this.#ask(acquire, signal, free), key, mode);
    } catch (thrown) {
      throw toThrow(thrown);
    }
  }

  async #try(key: string, mode: LockMode, toThrow = fromCrate): Promise<LockGuard | null> {
    const tryAcquire: Question<GuardNumber | undefined> = (manager, answer) =>
      manager.tryAcquire(key, mode === 'shared', answer);
    try {
      const held = await this.#ask(tryAcquire);
      return held === undefined ? null : this.#guard(held, key, mode);
    } catch (thrown) {
      throw toThrow(thrown);
    }
  }

  async #steal(key: string): Promise<LockGuard> {
    const held = await this.#ask<GuardNumber>((manager, answer) => manager.steal(key, answer)).catch((thrown) => {
      throw fromRequest(thrown);
    });
    return this.#guard(held, key, 'exclusive');
  }

  #guard(held: GuardNumber, key: string, mode: LockMode): LockGuard {
    return LockGuard.create(held, key, mode, this.#options);
  }

  /** What it is rejected with is for {@link fromCrate}, for the sake of the stack at the caller's. */
  #ask<T>(question: Question<T>, signal?: AbortSignal, giveBack?: (answer: T) => void): Promise<T> {
    const from = crateAtOnce();
    return from ? this.#askNow(from, question, signal, giveBack) : this.#askInTime(question, signal, giveBack);
  }

  async #askInTime<T>(
    question: Question<T>,
    signal: AbortSignal | undefined,
    giveBack: ((answer: T) => void) | undefined,
  ): Promise<T> {
    const aborted = signal && readReason(signal);
    if (aborted) throw aborted.reason;
    return withCrate((from) => this.#askNow(from, question, signal, giveBack));
  }

  /** Within the call, with a signal or without: who calls first is first in the queue. */
  #askNow<T>(
    from: Crate,
    question: Question<T>,
    signal: AbortSignal | undefined,
    giveBack: (answer: T) => void = () => {},
  ): Promise<T> {
    const manager = (this.#manager ??= this.#backend.open(from.Manager));
    return signal ? unlessAborted(signal, manager, question, giveBack) : answerTo(manager, question);
  }
}
