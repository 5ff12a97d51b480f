import { Aborted, throwLater } from './call.js';
import { RequestFlag, State, type Client, type Queue, type Space } from './client.js';
import type { RequestNumber } from './core.js';
import { group, type LockGuards } from './group.js';
import { LockGuard } from './guard.js';
import { invalid } from './messages.js';
import { NativePromise } from './native-promise.js';
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
import { callWith, checkRequest, Hold, type LockCallback, type RequestOptions } from './request.js';
import { checkSignal, readReason } from './signal.js';
import { lockInfo, type LockSnapshot } from './snapshot.js';
import { acquire, acquireMany, queryWithin, steal, tryAcquire, Wait, type Waiter, type Wanted } from './waits.js';
import { clientAtOnce, whenLoaded } from './wasm.js';

/**
 * Whom a manager's locks exclude:
 *
 * - `'thread'`: the tasks of this thread, and nothing else: locks in memory without the native half of the package;
 * - `'process'`: everything in this process that shares the manager's locks, and nothing else;
 * - `'datadir'`: the tasks of one process by key, and every other process on the same directory as a whole;
 * - `'shared-datadir'`: the tasks of this process and of every other one that shares the directory, by key;
 * - `'origin'`: all tabs and workers of one origin in one browser profile.
 */
export type LockScope = 'thread' | 'process' | 'datadir' | 'shared-datadir' | 'origin';

/** Options that every manager has. */
export interface LockManagerOptions {
  /**
   * The name of this manager in warnings. For a `MemoryLockManager` also in `query()`, and in the errors
   * of those who time out behind it.
   */
  label?: string | undefined;
  /**
   * When a lock is held for longer than this, in milliseconds, `console.warn` says so, with its key.
   * The lock stays held. Off by default.
   */
  warnAfter?: number | undefined;
}

/** The name of a member that no code outside of this package can use. */
export declare const sealed: unique symbol;

/** Which locks a manager has. */
interface Backend {
  /** The namespace or the prefix of all names at the platform; `undefined` for locks in memory. */
  name?: string;
  isPrefix?: boolean;
  /** Whether a request is granted within the call if it can be: its locks are no platform's. */
  isAnswered?: boolean;
  /** Whether each request queues with the platform by itself. */
  isAlone?: boolean;
  /** The client of requests, if the platform does not tell it. */
  clientId(): string;
}

/**
 * Named locks. A key is 1 to 200 ASCII letters, digits, `-`, `_` and `.`, the first and the last a
 * letter or digit.
 *
 * - **Fair.** First come, first served, as in the Web Locks specification: a request is granted when
 *   no earlier request for its key, held or pending, conflicts with it. Writers do not starve.
 * - **No polling.** The release itself wakes the next in the queue.
 * - **Not re-entrant.** A task that requests a key which it already holds waits until its timeout, like
 *   any other task.
 * - **Advisory.** A lock excludes those who request it, in the manager's {@link LockManager.scope | scope},
 *   and nobody else. It does not undo what a holder did before it lost the lock or crashed.
 *
 * Nothing is loaded before the first call. Every method can fail with a {@link LockError} of code
 * `UNAVAILABLE`.
 */
export abstract class LockManager {
  /**
   * It does not exist. Its type prevents subclasses, because only the managers of this package can open
   * locks. A manager of your own can have one of these inside.
   */
  protected abstract readonly [sealed]: never;

  /** Whom this manager's locks exclude. */
  abstract readonly scope: LockScope;

  readonly #backend: Backend;
  readonly #options: LockManagerOptions;
  #space: Space | undefined;

  /** @internal */
  protected constructor(backend: Backend, { label, warnAfter }: LockManagerOptions) {
    if (warnAfter !== undefined) checkTimeout(warnAfter, 'warnAfter');
    this.#backend = backend;
    this.#options = { label, warnAfter };
  }

  /**
   * Waits for the lock on `key`, in turn, for at most `timeout` milliseconds.
   *
   * If `signal` is aborted, the wait is given up, nothing is left in the queue, and the promise is
   * rejected with the signal's own reason. If it is already aborted, nothing is requested.
   *
   * @throws {@link LockError} `TIMED_OUT`, `INVALID_KEY` (at once), `UNAVAILABLE`; `LOST` if the lock was stolen
   * just when it was granted, or the page went into the back/forward cache meanwhile.
   * @throws TypeError if `timeout` is left out, negative or not a number.
   */
  lock(key: string, options: LockOptions): Promise<LockGuard> {
    try {
      const { timeout, signal, mode } = checkOptions(options);
      checkKey(key);
      const [how, limit, checked] = [checkMode(mode), checkTimeout(timeout), checkSignal(signal)];
      const requested = this.#requestAtOnce(key, how, limit, checked);
      // Most locks are free, and need no more than this.
      if (isHeld(requested)) return NativePromise.resolve(this.#guard(requested >>> 3, key, how));
      return new NativePromise((resolve) => {
        const failed = (thrown: unknown) => resolve(throwLater(thrown, false));
        this.#wait(key, how, limit, checked, requested, { granted: resolve, failed });
      });
    } catch (mistake) {
      return NativePromise.reject(mistake);
    }
  }

  /**
   * Takes the lock on `key` if that is possible without waiting for a holder. `null` means that
   * somebody else holds it or is queued for it. Every other obstacle is thrown.
   *
   * @throws {@link LockError} `INVALID_KEY`, `UNAVAILABLE`; `LOST` as {@link LockManager.lock}.
   */
  async tryLock(key: string, options: TryLockOptions = {}): Promise<LockGuard | null> {
    return this.#try(checkKey(key), checkMode(checkOptions(options).mode)).catch((thrown) => throwLater(thrown, false));
  }

  /**
   * Takes the exclusive locks on all `keys`, or on none of them. `timeout`, in milliseconds, is for all
   * of them together.
   *
   * They are taken in one global order. So two callers that name the same keys in different orders
   * cannot deadlock, if they hold no other locks meanwhile. A key that is named twice is locked once. A
   * call that waits for one key holds the keys before it in the order.
   *
   * @throws as {@link LockManager.lock}. All keys are checked before the first is locked. A timeout
   * names the key that was not acquired. The locks that were acquired before are free again.
   */
  async lockMany(keys: Iterable<string>, options: WaitOptions): Promise<LockGuards> {
    const { timeout, signal } = checkOptions(options);
    // A string is an iterable of its characters, so it must be refused.
    if (typeof keys === 'string') throw new TypeError('lockMany() needs an array of keys, not a string');
    const list = Array.from(keys, checkKey);
    const limit = checkTimeout(timeout);
    const checked = checkSignal(signal);
    const held = await this.#withClient(checked, (client, space) => {
      // One global order: that of the keys' bytes, which are ASCII.
      const ordered = [...new Set(list)];
      const queues = ordered.map((key) => this.#wanted(client, space, key, 'exclusive'));
      queues.sort((a, b) => (a.queue.key < b.queue.key ? -1 : 1));
      return acquireMany(client, queues, limit, checked);
    }).catch((thrown) => throwLater(thrown, false));
    return group(held.map(([request, key]) => this.#guard(request, key, 'exclusive')));
  }

  /**
   * Runs `callback` while the lock on `key` is held, and frees the lock when what the callback returned
   * is settled, which is then the result. This is `navigator.locks.request()` of the Web Locks API, with
   * its options and its errors, and a `timeout`.
   *
   * The callback gets the lock as a {@link LockGuard}. With `ifAvailable` it gets `null` if the lock is
   * not free.
   *
   * @throws what the callback throws.
   * @throws {@link LockError} as {@link LockManager.lock}, if the lock was not acquired.
   * @throws DOMException `NotSupportedError` for options that exclude each other and for a key that
   * begins with `-`. `AbortError` if the lock was lost: before the callback was run, which is then not
   * run, or while it ran (it is not interrupted, but its guard is `lost`).
   * @throws TypeError for arguments of the wrong kind.
   */
  request<T>(key: string, callback: LockCallback<T>): Promise<Awaited<T>>;
  request<T>(key: string, options: RequestOptions & { ifAvailable?: false | undefined }, callback: LockCallback<T>): Promise<Awaited<T>>;
  request<T>(key: string, options: RequestOptions, callback: LockCallback<T, LockGuard | null>): Promise<Awaited<T>>;
  request<T>(...args: unknown[]): Promise<Awaited<T>> {
    return new NativePromise((resolve, reject) => {
      const { key, mode, ifAvailable, steal, signal, timeout, callback } = checkRequest<T>(...args);
      const hold = new Hold<T>(callback, resolve, reject);
      if (ifAvailable || steal) {
        const tried = steal ? this.#steal(key) : this.#try(key, mode);
        tried.then(
          (guard) => (guard ? hold.granted(guard) : resolve(callWith(callback, null))),
          (thrown) => hold.failed(thrown),
        );
        return;
      }
      try {
        const requested = this.#requestAtOnce(key, mode, timeout, signal);
        if (isHeld(requested)) hold.granted(this.#guard(requested >>> 3, key, mode));
        else this.#wait(key, mode, timeout, signal, requested, hold);
      } catch (mistake) {
        hold.failed(mistake);
      }
    });
  }

  /**
   * Who holds what, and who waits, at this time.
   *
   * @throws {@link LockError} `UNAVAILABLE`.
   */
  async query(): Promise<LockSnapshot> {
    const { held, pending } = await this.#withClient(undefined, queryWithin).catch((thrown) => throwLater(thrown, false));
    const clientId = this.#backend.clientId();
    return {
      held: held.map((request) => lockInfo(request, clientId)),
      pending: pending.map((request) => lockInfo(request, clientId)),
    };
  }

  /**
   * Makes the request within the call, if the rules are loaded: the first call is the first in the queue. Returns
   * what {@link Client.request} does, or `undefined` if it takes more.
   */
  #requestAtOnce(key: string, mode: LockMode, timeout: number, signal: AbortSignal | undefined): number | undefined {
    const client = this.#takesCall(timeout, signal) ? undefined : clientAtOnce();
    return client?.request(this.#queue(client, key), this.#flags(mode), this.#shownLabel);
  }

  /** Whether a wait needs a {@link Call}: it has a signal, or it tries the platform once. */
  #takesCall(timeout: number, signal: AbortSignal | undefined): boolean {
    return signal !== undefined || !(timeout || this.#backend.isAnswered);
  }

  /** Waits for a lock that {@link #requestAtOnce} did not get. */
  #wait(
    key: string,
    mode: LockMode,
    timeout: number,
    signal: AbortSignal | undefined,
    requested: number | undefined,
    waiter: Waiter,
  ): void {
    const flags = this.#flags(mode);
    const failed = (thrown: unknown) => waiter.failed(thrown);
    if (this.#takesCall(timeout, signal)) {
      const get = (client: Client, space: Space) => acquire(client, this.#wanted(client, space, key, mode), timeout, signal);
      this.#withClient(signal, get).then((request) => waiter.granted(this.#guard(request, key, mode)), failed);
      return;
    }
    const wait = (client: Client) => {
      const queue = this.#queue(client, key);
      new Wait(client, queue, requested ?? client.request(queue, flags, this.#shownLabel), flags, timeout, this.#options, waiter);
    };
    if (requested === undefined) void whenLoaded(wait).catch(failed);
    else wait(clientAtOnce() as Client);
  }

  async #try(key: string, mode: LockMode): Promise<LockGuard | null> {
    const held = await this.#withClient(undefined, (client, space) => tryAcquire(client, this.#wanted(client, space, key, mode)));
    return held === undefined ? null : this.#guard(held, key, mode);
  }

  async #steal(key: string): Promise<LockGuard> {
    const held = await this.#withClient(undefined, (client, space) => steal(client, this.#wanted(client, space, key, 'exclusive')));
    return this.#guard(held, key, 'exclusive');
  }

  #guard(held: RequestNumber, key: string, mode: LockMode): LockGuard {
    return LockGuard.create(held, key, mode, this.#options);
  }

  #wanted(client: Client, space: Space, key: string, mode: LockMode): Wanted {
    return { queue: queueFor(client, space, key), flags: this.#flags(mode), label: this.#shownLabel };
  }

  /** The label, if a snapshot shows it. Those of platforms show none. */
  get #shownLabel(): string | undefined {
    return this.#backend.name === undefined ? this.#options.label : undefined;
  }

  #flags(mode: LockMode): number {
    return (mode === 'shared' ? RequestFlag.Shared : 0) | (this.#backend.isAlone ? RequestFlag.Alone : 0);
  }

  #queue(client: Client, key: string): Queue {
    return queueFor(client, this.#open(client), key);
  }

  #open(client: Client): Space {
    return (this.#space ??= this.#openSpace(client));
  }

  #openSpace(client: Client): Space {
    const { name, isPrefix } = this.#backend;
    if (name === undefined) return client.space(undefined);
    // Names that begin with `-` are reserved by the specification, and `crosslock:` is for our namespaces.
    if (isPrefix ? /^(-|crosslock:)/.test(name) : name) {
      check('namespace', name, isPrefix ? BAD_PREFIX : client.brokenRule(name));
    }
    return client.space(isPrefix ? name : `crosslock:${name}:`);
  }

  /** Uses the client once it is loaded. What the promise is rejected with is for {@link throwLater}. */
  async #withClient<T>(signal: AbortSignal | undefined, use: (client: Client, space: Space) => T | Promise<T>): Promise<T> {
    const client = clientAtOnce();
    if (client) return use(client, this.#open(client));
    const aborted = signal && readReason(signal);
    if (aborted) throw new Aborted(aborted.reason);
    return whenLoaded((client) => use(client, this.#open(client)));
  }
}

const isHeld = (requested: number | undefined): requested is number => requested !== undefined && (requested & 7) === State.Held;

/** The number of the rule for prefixes. */
const BAD_PREFIX = 6;

/** @throws LockError `INVALID_KEY` */
function queueFor(client: Client, space: Space, key: string): Queue {
  const known = space.queues.get(key);
  if (known) return known;
  check('key', key, client.brokenRule(key));
  return client.open(space, key);
}

/**
 * The client does not make this error, because it may be that of another copy of the package, which has another
 * class of errors.
 *
 * @throws LockError `INVALID_KEY` or `INVALID_NAMESPACE`
 */
function check(what: 'key' | 'namespace', text: string, brokenRule: number): void {
  if (brokenRule) throw invalid(what, text, brokenRule);
}
