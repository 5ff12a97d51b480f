import { Freed, State, type Watcher } from './client.js';
import type { RequestNumber } from './core.js';
import { asyncDispose, dispose } from './dispose.js';
import { unavailable, type LockError } from './errors.js';
import { forget, warnIfCollected, warnIfHeldTooLong } from './leaks.js';
import type { LockManagerOptions } from './manager.js';
import { describeReason, lost, unsupported } from './messages.js';
import { done, NativePromise } from './native-promise.js';
import type { LockMode } from './options.js';
import { client } from './wasm.js';

/**
 * A held lock. It is held until {@link LockGuard.release | release()}. A guard that is forgotten keeps
 * its lock, and `console.warn` says so when it is garbage-collected.
 *
 * ```ts
 * await using guard = await locks.lock('lightning.send.42', { timeout: 10_000 });
 * ```
 */
export class LockGuard {
  /** The key that is locked. */
  readonly key: string;
  /** How it is locked. {@link LockGuard.downgrade | downgrade()} changes it. */
  readonly mode: LockMode;
  readonly #held: RequestNumber;
  readonly #options: LockManagerOptions;
  readonly #endWarning: (() => void) | undefined;
  #loss: Loss | undefined;
  #lost: AbortController | undefined;
  #released: Promise<void> | undefined;

  private constructor(held: RequestNumber, key: string, mode: LockMode, options: LockManagerOptions) {
    this.key = key;
    this.mode = mode;
    this.#held = held;
    this.#options = options;
    this.#endWarning = warnIfHeldTooLong(key, options);
    warnIfCollected(this, held);
  }

  /** @internal */
  static create(held: RequestNumber, key: string, mode: LockMode, options: LockManagerOptions): LockGuard {
    // Not by its name, which the bundler would change to `_LockGuard` for every log.
    return new this(held, key, mode, options);
  }

  /** The same as {@link LockGuard.key | key}, by the name that the Web Locks API has for it. */
  get name(): string {
    return this.key;
  }

  /**
   * It is aborted once the lock was taken away while it was held: by a `steal`, or because the page went
   * into the back/forward cache. Its reason is a {@link LockError} of code `LOST`. From then on somebody
   * else may use what the lock protects.
   *
   * ```ts
   * guard.lost.throwIfAborted(); // right before a step that cannot be undone
   * await fetch(url, { signal: guard.lost });
   * ```
   *
   * To release the lock is not a loss. A loss cannot be prevented, and it is noticed when this page or
   * worker runs again. So what the lock protects should tolerate a late write.
   */
  get lost(): AbortSignal {
    const controller = (this.#lost ??= abortOn(this.#watch()));
    // The watcher may not have been told yet.
    if (!this.#released) this.#watch().tell(lossOf(this.#held, this.key));
    return controller.signal;
  }

  /**
   * Frees the lock. The promise is resolved when it *is* free, and never rejected. Every further
   * call returns the same promise.
   */
  release(): Promise<void> {
    if (!this.#released) {
      // Before the clock is read: a test may have replaced it by one that calls back within the call.
      this.#released = done;
      let freed = client.free(this.#held);
      let loss: LockError | undefined;
      if (freed === Freed.Lost) {
        loss = lossOf(this.#held, this.key);
        freed = client.free(this.#held, true);
      }
      // Set before anybody is told of a loss or is granted the lock, because they may release this guard again.
      if (freed === Freed.Later) this.#released = whenFree(this.#held);
      forget(this, this.#held);
      this.#endWarning?.();
      // It may have been lost while nobody watched.
      if (loss) (this.#loss ??= new Loss(this.key)).tell(loss);
      if (freed !== Freed.Now) client.run();
    }
    return this.#released;
  }

  /**
   * Makes the exclusive lock a shared one, without letting go of it in between. So what was just written can be
   * read on in peace, by this holder and by the shared requests at the head of the queue, which are granted at
   * once. Nothing happens to a lock that is shared already. There is no way back: two shared holders that both
   * wanted to become exclusive would wait for each other for ever.
   *
   * The lock is as it was before if the promise is rejected.
   *
   * @throws {@link LockError} `UNSUPPORTED` for an exclusive lock of a `WebLockManager`: the Web Locks API has no
   * such operation. `LOST`; `IO` for a datadir.
   * @throws TypeError if the lock was released.
   */
  async downgrade(): Promise<void> {
    if (this.#released) throw new TypeError(`lock "${this.key}" was released`);
    const state = client.downgrade(this.#held);
    if (state === State.Unsupported) throw unsupported('downgrade');
    if (state !== State.Held) throw errorOf(state, this.key);
    (this as { mode: LockMode }).mode = 'shared';
    client.run();
  }

  /** For `await using`: {@link LockGuard.release | release()}, awaited. */
  [asyncDispose](): Promise<void> {
    return this.release();
  }

  /** For `using`: {@link LockGuard.release | release()}, not awaited. */
  [dispose](): void {
    void this.release();
  }

  /** @internal */
  static optionsOf(guard: LockGuard): LockManagerOptions {
    return guard.#options;
  }

  /** @internal Why the lock was lost, if it was. */
  static lossOf(guard: LockGuard): LockError | undefined {
    return lossOf(guard.#held, guard.key);
  }

  /** @internal Has `watcher` told of changes. It must be the only one besides the guard itself. */
  static watch(guard: LockGuard, watcher: Watcher): void {
    if (guard.#loss) guard.#loss.next = watcher;
    else client.watch(guard.#held, watcher);
  }

  #watch(): Loss {
    if (!this.#loss) {
      const loss = (this.#loss = new Loss(this.key));
      if (!this.#released) {
        loss.next = client.watch(this.#held, loss);
        loss.changed(client.state(this.#held));
      }
    }
    return this.#loss;
  }
}

const whenFree = (request: RequestNumber): Promise<void> => new NativePromise((resolve) => client.whenFree(request, resolve));

/** Why the lock of a request was lost, if it was. */
function lossOf(request: RequestNumber, key: string): LockError | undefined {
  const state = client.state(request);
  return (state & 7) === State.Lost ? errorOf(state, key) : undefined;
}

/** @internal The error of a lock with this state. */
export function errorOf(state: number, key: string): LockError {
  const [reason, said] = client.reasonOf(state);
  return lost(key, describeReason(reason, said));
}

type Listener = (loss: LockError) => void;

/** The loss of a lock. It does not refer to the guard, which must be collectable if nobody else refers to it. */
class Loss implements Watcher {
  readonly #key: string;
  #failure: LockError | undefined;
  #listeners: Listener[] | undefined;

  constructor(key: string) {
    this.#key = key;
  }

  /** The watcher before, which is told as well. */
  next: Watcher | undefined;

  changed(state: number): void {
    this.next?.changed(state);
    // Later, because listeners may do anything, and all watchers are to be told first.
    if ((state & 7) === State.Lost) void done.then(() => this.tell(errorOf(state, this.#key)));
  }

  tell(failure: LockError | undefined): void {
    if (!failure || this.#failure) return;
    this.#failure = failure;
    for (const listener of this.#listeners?.splice(0) ?? []) {
      try {
        listener(failure);
      } catch (error) {
        // The AbortController of a polyfill may throw what its listeners throw. The platform reports it, and
        // the other listeners are not affected.
        void Promise.reject(error);
      }
    }
  }

  listen(listener: Listener): void {
    if (this.#failure) listener(this.#failure);
    else (this.#listeners ??= []).push(listener);
  }
}

function abortOn(loss: Loss): AbortController {
  if (typeof AbortController !== 'function') throw unavailable('there is no AbortController here, which `lost` needs');
  const controller = new AbortController();
  loss.listen((failure) => controller.abort(failure));
  return controller;
}
