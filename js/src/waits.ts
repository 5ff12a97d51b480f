// How a request is granted: at once, when its turn comes, or not at all.

import { ANSWER_LIMIT, RequestFlag, State, type Client, type Queue, type Space, type Watcher } from './client.js';
import { startTimer, timer } from './clock.js';
import { Call, Failed } from './call.js';
import { contentionElsewhere, contentionHere, ownName } from './contention.js';
import type { RequestNumber } from './core.js';
import { unavailable } from './errors.js';
import { LockGuard } from './guard.js';
import { isNode } from './host.js';
import type { LockManagerOptions } from './manager.js';
import { describeReason, lost, timedOut, unsupported } from './messages.js';
import { NativePromise } from './native-promise.js';
import { query } from './web-query.js';

/** How long after its timeout a wait may take to find out who was in the way, in milliseconds. */
const REPORT_LIMIT = 1000;

/** How long a try waits to be told that what its context has released is free, in milliseconds. */
const RELEASE_LIMIT = 500;

/** @internal The lock that a call requests, and how. */
export interface Wanted {
  queue: Queue;
  /** {@link RequestFlag.Shared} and {@link RequestFlag.Alone}. */
  flags: number;
  label: string | undefined;
}

/** @internal Is told how a wait ends. One of the two is called, at once or later. */
export interface Waiter {
  granted(guard: LockGuard): void;
  /** `thrown` is for `throwLater`. */
  failed(thrown: unknown): void;
}

/**
 * A wait for a lock without a signal: a watcher with a timer.
 *
 * @internal
 */
export class Wait implements Watcher {
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #request: RequestNumber;
  readonly #flags: number;
  readonly #timeout: number;
  readonly #options: LockManagerOptions;
  readonly #waiter: Waiter;
  #endTimer: (() => void) | undefined;

  constructor(
    client: Client,
    queue: Queue,
    requested: number,
    flags: number,
    timeout: number,
    options: LockManagerOptions,
    waiter: Waiter,
  ) {
    this.#client = client;
    this.#queue = queue;
    this.#request = requested >>> 3;
    this.#flags = flags;
    this.#timeout = timeout;
    this.#options = options;
    this.#waiter = waiter;
    if ((requested & 7) !== State.Pending) this.changed(client.state(this.#request));
    else if (!timeout) this.#late();
    else this.#wait();
  }

  #wait(): void {
    this.#client.watch(this.#request, this);
    if (this.#timeout === Infinity) return;
    try {
      this.#endTimer = startTimer(this.#timeout, () => this.#late());
    } catch (error) {
      this.#giveUp(error);
    }
  }

  changed(state: number): void {
    if ((state & 7) === State.Pending) return;
    this.#endTimer?.();
    this.#client.watch(this.#request, undefined);
    try {
      held(this.#client, this.#request, this.#queue.key, state);
    } catch (failed) {
      return this.#giveUp(failed);
    }
    this.#grant(this.#request);
  }

  #grant(request: RequestNumber): void {
    this.#waiter.granted(
      LockGuard.create(request, this.#queue.key, this.#flags & RequestFlag.Shared ? 'shared' : 'exclusive', this.#options),
    );
  }

  #late(): void {
    const client = this.#client;
    const request = this.#request;
    const queue = this.#queue;
    client.watch(request, undefined);
    if (queue.space.prefix !== undefined) {
      const wanted = { queue, flags: this.#flags, label: undefined };
      acquire(client, wanted, this.#timeout, undefined, request).then(
        (request) => this.#grant(request),
        (thrown) => this.#waiter.failed(thrown),
      );
      return;
    }
    const contention = contentionHere(client, request);
    this.#giveUp(new Failed(() => timedOut(queue.key, this.#timeout, contention)));
  }

  #giveUp(why: unknown): void {
    this.#client.watch(this.#request, undefined);
    this.#client.remove(this.#request);
    this.#waiter.failed(why);
  }
}

/**
 * Waits for a lock, in turn, until `signal` is aborted. With `late`, which is a request whose timeout is over, it
 * tries once more.
 *
 * @internal
 */
export async function acquire(
  client: Client,
  wanted: Wanted,
  timeout: number,
  signal: AbortSignal | undefined,
  late?: RequestNumber,
): Promise<RequestNumber> {
  const call = new Call(client, signal);
  const deadline = new Deadline(timeout);
  let kept: RequestNumber | undefined;
  try {
    return (kept = await call.do(() =>
      late === undefined ? waitInTurn(call, wanted, deadline) : lastTry(call, wanted, call.own(late << 3) >>> 3, timeout),
    ));
  } finally {
    deadline.end();
    call.end(kept);
  }
}

/** @internal Waits for locks one after the other, and gets all or none. Resolves to their requests and keys. */
export async function acquireMany(
  client: Client,
  all: Wanted[],
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<[RequestNumber, string][]> {
  const call = new Call(client, signal);
  const deadline = new Deadline(timeout);
  const held: [RequestNumber, string][] = [];
  let isDone = false;
  try {
    for (const wanted of all) {
      held.push([await call.do(() => waitInTurn(call, wanted, deadline)), wanted.queue.key]);
    }
    isDone = true;
    return held;
  } finally {
    deadline.end();
    const kept = isDone ? held : [];
    // Awaited, so that nobody sees a key held after our error.
    if (!isDone) await call.releaseAll(held.map(([request]) => request));
    call.end(...kept.map(([request]) => request));
  }
}

async function waitInTurn(call: Call, wanted: Wanted, deadline: Deadline): Promise<RequestNumber> {
  const { client } = call;
  const { queue, flags, label } = wanted;
  const { timeout } = deadline;
  const isLocal = queue.space.prefix === undefined;
  if (deadline.isOver && !isLocal) return lastTry(call, wanted, undefined, timeout);
  const requested = call.request(queue, flags, label);
  const request = requested >>> 3;
  if ((requested & 7) === State.Pending) {
    const isLate = await untilChanged(client, request, deadline);
    if (isLate && !call.isOver) {
      if (!isLocal) return lastTry(call, wanted, request, timeout);
      const contention = contentionHere(client, request);
      throw new Failed(() => timedOut(queue.key, timeout, contention));
    }
  }
  if (!call.isOver) held(client, request, queue.key);
  return request;
}

/**
 * The end of a call's timeout, which is for all its locks together. It has one timer, set when the call first has
 * to wait. (A test may move the timers without the clock. Then a timer for each lock would give each the whole
 * timeout again.)
 */
class Deadline {
  readonly timeout: number;
  isOver: boolean;
  #endTimer: (() => void) | undefined;
  #late: (() => void) | undefined;

  constructor(timeout: number) {
    this.timeout = timeout;
    this.isOver = !timeout;
  }

  /**
   * Calls `late` back when the time is over, in the place of the function that it was told before.
   *
   * @throws LockError `UNAVAILABLE` if there is no timer.
   */
  tell(late: (() => void) | undefined): void {
    this.#late = late;
    if (!late || this.timeout === Infinity || this.#endTimer) return;
    this.#endTimer = startTimer(this.timeout, () => {
      this.isOver = true;
      this.#late?.();
    });
  }

  end(): void {
    this.#endTimer?.();
  }
}

/** Resolves when a request is no longer pending, or when the time is over, to whether it is. */
function untilChanged(client: Client, request: RequestNumber, deadline?: Deadline): Promise<boolean> {
  return new NativePromise((resolve, reject) => {
    if (deadline?.isOver) return resolve(true);
    const end = (isLate: boolean) => {
      client.watch(request, undefined);
      deadline?.tell(undefined);
      resolve(isLate);
    };
    client.watch(request, { changed: (state) => void ((state & 7) === State.Pending || end(false)) });
    try {
      deadline?.tell(() => end(true));
    } catch (error) {
      client.watch(request, undefined);
      reject(error);
    }
  });
}

/** Whether a request has the lock. If not, it was refused, and all else is thrown. */
function held(client: Client, request: RequestNumber, key: string, state = client.state(request)): boolean {
  if ((state & 7) === State.Held) return true;
  const why = () => describeReason(...client.reasonOf(state));
  if ((state & 7) === State.Lost) throw new Failed(() => lost(key, why()));
  if ((state & 7) === State.Rejected) throw new Failed(() => unavailable(why()));
  return false;
}

/**
 * The last try of a wait whose time is over, or the only try if it was not to wait.
 *
 * A timer alone proves little: after a laptop slept, it fires before the grant that was due hours ago has come
 * through. So the browser is queried for who is in the way. It sends its answer after any grant, so a grant that
 * is on its way is here first. Only if a task of this context holds the lock, no query is needed.
 */
async function lastTry(call: Call, wanted: Wanted, request: RequestNumber | undefined, timeout: number): Promise<RequestNumber> {
  const inner = new Call(call.client, undefined);
  const { key } = wanted.queue;
  let kept: RequestNumber | undefined;
  try {
    const late = () => {
      throw new Failed(() => timedOut(key, timeout, { noAnswer: true }));
    };
    return (kept = await inner.do(() => tryOnce(call, inner, wanted, request, timeout), REPORT_LIMIT, late));
  } finally {
    inner.end(call.isOver ? undefined : kept);
    if (kept !== undefined && !call.isOver) call.own(kept << 3);
  }
}

async function tryOnce(
  call: Call,
  inner: Call,
  wanted: Wanted,
  request: RequestNumber | undefined,
  timeout: number,
): Promise<RequestNumber> {
  const { client } = call;
  const { queue } = wanted;
  if (request === undefined) {
    const tried = await ifFree(inner, wanted);
    if (tried !== undefined) return tried;
    const found = await contentionElsewhere(client, queue);
    throw new Failed(() => timedOut(queue.key, timeout, found));
  }
  const here = contentionHere(client, request);
  let found = here;
  if (here) here.holder = await ownName(client, queue.space);
  else found = await contentionElsewhere(client, queue);
  if (inner.isOver || call.isOver) return request;
  if (held(client, request, queue.key)) return request;
  call.giveUp(request);
  const tried = here ? undefined : await ifFree(inner, wanted);
  if (tried !== undefined) return tried;
  throw new Failed(() => timedOut(queue.key, timeout, found));
}

/** @internal Takes a lock if it is free. `requested` is the request, if it was made already. */
export async function ifFree(call: Call, { queue, flags, label }: Wanted, requested?: number): Promise<RequestNumber | undefined> {
  const { client } = call;
  requested = requested === undefined ? call.request(queue, flags | RequestFlag.OrRefuse, label) : call.own(requested);
  const request = requested >>> 3;
  if ((requested & 7) === State.Pending) {
    // It may wait for what this context has released, but not for a platform that never confirms the release.
    const endTimer = timer(RELEASE_LIMIT, () => client.tryAtOnce(request));
    await untilChanged(client, request);
    endTimer();
  }
  if (call.isOver) return undefined;
  if (held(client, request, queue.key)) return request;
  call.giveUp(request);
  return undefined;
}

/**
 * Takes a lock if that is possible without waiting for a holder. Local locks and Node answer within the call. Then
 * there is no promise.
 *
 * @internal
 */
export function tryAcquire(client: Client, wanted: Wanted): RequestNumber | undefined | Promise<RequestNumber | undefined> {
  const requested = client.request(wanted.queue, wanted.flags | RequestFlag.OrRefuse, wanted.label);
  if ((requested & 7) === State.Held) return requested >>> 3;
  if ((requested & 7) !== State.Busy) return tryWhenAnswered(client, wanted, requested);
  client.remove(requested >>> 3);
  return undefined;
}

async function tryWhenAnswered(client: Client, wanted: Wanted, requested: number): Promise<RequestNumber | undefined> {
  const call = new Call(client, undefined);
  let kept: RequestNumber | undefined;
  try {
    return (kept = await call.do(() => ifFree(call, wanted, requested), ANSWER_LIMIT));
  } finally {
    call.end(kept);
  }
}

/** @internal Takes a lock away from whoever holds it. */
export async function steal(client: Client, wanted: Wanted): Promise<RequestNumber> {
  const call = new Call(client, undefined);
  let kept: RequestNumber | undefined;
  try {
    return (kept = await call.do(() => stealNow(call, wanted), ANSWER_LIMIT));
  } finally {
    call.end(kept);
  }
}

async function stealNow(call: Call, wanted: Wanted): Promise<RequestNumber> {
  const { client } = call;
  const { queue, flags, label } = wanted;
  if (queue.space.prefix !== undefined && isNode()) {
    const free = await ifFree(call, wanted);
    if (free !== undefined) return free;
    // Node 26 crashes when a lock is stolen from another of its threads, so we steal only from our own. A task
    // of ours may have been granted the lock without having been called back yet: Node answers our try first.
    // It answers a query only after the callback, so then we know.
    await query(client, queue.space);
    if (!client.holds(queue)) throw new Failed(() => unsupported('stealing, in Node, a lock that another thread holds'));
  }
  const requested = call.request(queue, flags | RequestFlag.Steal, label);
  if ((requested & 7) === State.Pending) await untilChanged(client, requested >>> 3);
  if (!call.isOver) held(client, requested >>> 3, queue.key);
  return requested >>> 3;
}

/** @internal */
export const queryWithin = async (client: Client, space: Space) => new Call(client, undefined).do(() => query(client, space), ANSWER_LIMIT);
