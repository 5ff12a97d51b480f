// A call that waits until it has what it requested, or is aborted, or its time is over.

import { Freed, type Client, type Queue } from './client.js';
import { timer } from './clock.js';
import type { RequestNumber } from './core.js';
import { asRequest, type LockError } from './errors.js';
import { noAnswer } from './messages.js';
import { NativePromise } from './native-promise.js';
import { readReason, stopListening } from './signal.js';

/** @internal The reason of a signal, which may be any value. */
export class Aborted {
  constructor(readonly reason: unknown) {}
}

/** @internal An error that is made later, where its stack shows the caller. */
export class Failed {
  constructor(readonly make: () => LockError) {}
}

/** @internal Throws what a wait was rejected with, from where `await` shows the caller in the stack. */
export async function throwLater(thrown: unknown, forRequest: boolean): Promise<never> {
  // Not before this promise is the caller's.
  await null;
  await null;
  if (thrown instanceof Aborted) throw thrown.reason;
  const error = thrown instanceof Failed ? thrown.make() : thrown;
  throw forRequest ? asRequest(error) : error;
}

/** @internal A call that waits. At its end it gives up the requests that it does not keep. */
export class Call {
  readonly client: Client;
  /** Whether it has ended. */
  isOver = false;
  readonly #signal: AbortSignal | undefined;
  readonly #requests = new Set<RequestNumber>();
  #reason: Aborted | undefined;
  #interrupt: ((why: unknown) => void) | undefined;

  /** @throws Aborted */
  constructor(client: Client, signal: AbortSignal | undefined) {
    this.client = client;
    this.#signal = signal;
    if (!signal) return;
    const before = readReason(signal);
    if (before) throw new Aborted(before.reason);
    // Before the first request, because a signal that is not the platform's may throw.
    signal.addEventListener('abort', this.#abort);
  }

  readonly #abort = () => {
    this.#reason ??= new Aborted(this.#signal && readReason(this.#signal)?.reason);
    this.#interrupt?.(this.#reason);
  };

  request(queue: Queue, flags: number, label: string | undefined): number {
    return this.own(this.client.request(queue, flags, label));
  }

  /** Takes over a request that was made before. */
  own(requested: number): number {
    this.#requests.add(requested >>> 3);
    return requested;
  }

  /** Resolves when the locks are free. */
  async releaseAll(requests: RequestNumber[]): Promise<void> {
    const free = (request: RequestNumber) =>
      new NativePromise<void>((resolve) => {
        if (!this.#requests.delete(request)) return resolve();
        if (this.client.free(request, true) !== Freed.Later) resolve();
        else this.client.whenFree(request, resolve);
        this.client.run();
      });
    await NativePromise.all(requests.map(free));
  }

  giveUp(request: RequestNumber): void {
    if (this.#requests.delete(request)) this.client.remove(request);
  }

  /**
   * The result of `work`, unless the signal is aborted before. After `limit` milliseconds, it is the result of
   * `late`.
   */
  async do<T>(work: () => Promise<T>, limit = Infinity, late: () => T = throwNoAnswer): Promise<T> {
    let endTimer = () => {};
    try {
      const result = await new NativePromise<T>((resolve, reject) => {
        this.#interrupt = reject;
        if (limit < Infinity) endTimer = timer(limit, () => reject(LATE));
        if (this.#reason) return reject(this.#reason);
        work().then(resolve, reject);
      });
      this.#throwIfAborted();
      return result;
    } catch (thrown) {
      this.#throwIfAborted();
      if (thrown === LATE) return late();
      throw thrown;
    } finally {
      this.#interrupt = undefined;
      endTimer();
    }
  }

  /** The signal is read as well, because one that is not the platform's may send no event. */
  #throwIfAborted(): void {
    const found = this.#reason || !this.#signal ? undefined : readReason(this.#signal);
    if (found) this.#reason = new Aborted(found.reason);
    if (this.#reason) throw this.#reason;
  }

  /** Ends the call. It gives up all requests but those in `kept`. */
  end(...kept: (RequestNumber | undefined)[]): void {
    this.isOver = true;
    if (this.#signal) stopListening(this.#signal, this.#abort);
    for (const request of kept) if (request !== undefined) this.#requests.delete(request);
    for (const request of this.#requests) this.giveUp(request);
  }
}

const LATE = Symbol('late');

const throwNoAnswer = () => {
  throw new Failed(noAnswer);
};
