import type { Failure, GuardNumber } from '#wasm-glue';
import { asyncDispose, dispose } from './dispose.js';
import { lockError, unavailable } from './errors.js';
import { forget, warnIfCollected, warnIfHeldTooLong } from './leaks.js';
import type { LockManagerOptions } from './manager.js';
import type { LockMode } from './options.js';
import { crate } from './wasm.js';

/**
 * A held lock. It is held until {@link LockGuard.release | release()}; a guard that is forgotten
 * keeps its lock, and is warned about once when it is garbage-collected.
 *
 * ```ts
 * await using guard = await locks.lock('lightning.send.42', { timeout: 10_000 });
 * ```
 */
export class LockGuard {
  /** The key that is locked. */
  readonly key: string;
  /** How it is locked. */
  readonly mode: LockMode;
  readonly #held: GuardNumber;
  readonly #endWarning: (() => void) | undefined;
  #loss: Loss | undefined;
  #lost: AbortController | undefined;
  #released: Promise<void> | undefined;

  private constructor(held: GuardNumber, key: string, mode: LockMode, options: LockManagerOptions) {
    this.key = key;
    this.mode = mode;
    this.#held = held;
    this.#endWarning = warnIfHeldTooLong(key, options);
    warnIfCollected(this, held, options);
  }

  /** @internal */
  static create(held: GuardNumber, key: string, mode: LockMode, options: LockManagerOptions): LockGuard {
    // Not by its name, which the bundler would change to `_LockGuard` for every log.
    return new this(held, key, mode, options);
  }

  /** The same as {@link LockGuard.key | key}, by the name that the Web Locks API has for it. */
  get name(): string {
    return this.key;
  }

  /**
   * Aborted, with a {@link LockError} of code `LOST` as its reason, once the lock was taken away
   * while it was held: by a `steal`, or because the page went into the back/forward cache. From
   * then on someone else may be doing what the lock protects.
   *
   * ```ts
   * guard.lost.throwIfAborted(); // right before a step that cannot be undone
   * await fetch(url, { signal: guard.lost });
   * ```
   *
   * Releasing the lock is no loss. A loss cannot be prevented, and it is noticed as soon as this
   * page or worker runs again: what the lock protects should be able to bear a late write.
   */
  get lost(): AbortSignal {
    const controller = (this.#lost ??= abortOn(this.#watch()));
    // The watch may be a moment behind.
    if (!this.#released) this.#watch().tell(crate.loss(this.#held));
    return controller.signal;
  }

  /**
   * Frees the lock. The promise is resolved when it *is* free, and never rejected. Every further
   * call returns the same promise.
   */
  release(): Promise<void> {
    if (!this.#released) {
      let resolve!: () => void;
      // Known before anybody hears of a loss, and perhaps releases in turn.
      this.#released = new Promise((resolved) => (resolve = resolved));
      const failure = crate.release(this.#held, { resolve });
      forget(this, this.#held);
      this.#endWarning?.();
      // It may have been lost without anybody watching.
      if (failure) (this.#loss ??= new Loss()).tell(failure);
    }
    return this.#released;
  }

  /** For `await using`: {@link LockGuard.release | release()}, awaited. */
  [asyncDispose](): Promise<void> {
    return this.release();
  }

  /** For `using`: {@link LockGuard.release | release()}, not awaited. */
  [dispose](): void {
    void this.release();
  }

  /** @internal Why the lock was lost, if it was. */
  static lossOf(guard: LockGuard): Failure | undefined {
    return crate.loss(guard.#held);
  }

  /** @internal Calls back when the lock is lost. */
  static whenLost(guard: LockGuard, listener: Listener): void {
    guard.#watch().listen(listener);
  }

  #watch(): Loss {
    if (!this.#loss) {
      const watched = (this.#loss = new Loss());
      if (!this.#released) {
        // By a promise: listeners may do anything, and the crate is in the middle of its work.
        const failure = new Promise<Failure>((resolve) => crate.lost(this.#held, { resolve }));
        void failure.then((failure) => watched.tell(failure));
      }
    }
    return this.#loss;
  }
}

type Listener = (failure: Failure) => void;

/** The loss of a lock, apart from its guard: a guard that nobody else holds must be collectable. */
class Loss {
  #failure: Failure | undefined;
  #listeners: Listener[] = [];

  tell(failure: Failure | undefined): void {
    if (!failure || this.#failure) return;
    this.#failure = failure;
    for (const listener of this.#listeners.splice(0)) {
      try {
        listener(failure);
      } catch (error) {
        // The AbortController of a polyfill may throw what its listeners throw: for the platform to
        // report, and nothing to the others.
        void Promise.reject(error);
      }
    }
  }

  listen(listener: Listener): void {
    if (this.#failure) listener(this.#failure);
    else this.#listeners.push(listener);
  }
}

function abortOn(loss: Loss): AbortController {
  if (typeof AbortController !== 'function') throw unavailable('there is no AbortController here, which `lost` needs');
  const controller = new AbortController();
  loss.listen((failure) => controller.abort(lockError(failure)));
  return controller;
}

/** @internal Frees a lock that nobody was given. */
export function free(held: GuardNumber): void {
  crate.release(held, { resolve() {} });
}
