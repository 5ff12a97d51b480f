// What this page, worker or thread is to the rules of the crate: it tells them what happens, in numbers,
// and does what follows. No JavaScript runs while they are at work, so whatever it does, or throws, is
// the next step's business.

import * as core from '#wasm-glue';
import type { QueueNumber, RequestNumber } from '#wasm-glue';
import { about, now, startTimer, timer } from './clock.js';
import { keyOf } from './keys.js';
import { isNode } from './host.js';
import { PlatformGrants } from './platform-grants.js';

/** @internal Where a request stands: the low three bits of its state. */
export const enum State {
  Pending,
  Held,
  /** Somebody else holds the lock, and the request was not to wait. */
  Busy,
  TurnedDown,
  Lost,
  /** Its holder has released it; the platform may not know yet. */
  Releasing,
  Freed,
}

/** @internal What {@link Client.ask} asks for. */
export const enum Ask {
  Shared = 1,
  /** What becomes of it if it cannot be granted at once. By default it waits. */
  OrRefuse = 2,
  Steal = 4,
  /** It queues with the platform for itself. */
  Alone = 8,
}

/** What is to be done next: the low three bits of an effect. */
const enum Effect {
  Changed = 1,
  Request,
  Release,
  Forget,
  Confirm,
  Remind,
}

/** @internal What has become of a request that was to be freed. It is free where the number is odd. */
export const enum Freed {
  /** It is free once the platform says so. */
  Later = 0,
  /** Not without the time. */
  TellTheTime = 2,
  /** Not without the time, up to a millisecond. */
  TellAboutWhen = 4,
  /** It was lost before. It is still there. */
  Lost = 6,
  /** It is free, and nothing follows. */
  Now = 1,
  /** It is free, and {@link Client.run} does what follows. */
  NowAndMore = 3,
}

/** @internal Hears of a request that it has changed. */
export interface Watcher {
  changed(state: number): void;
}

/** @internal The locks that have one prefix. */
export interface Space {
  /** In front of all names of the platform's; `undefined` for locks in memory. */
  readonly prefix: string | undefined;
  /** By their keys. */
  readonly queues: Map<string, Queue>;
}

/** @internal The requests for one lock. */
export interface Queue {
  readonly number: QueueNumber;
  readonly key: string;
  readonly space: Space;
}

/** So many queues that nobody uses are kept for each space, because to make one takes as long as a lock. */
const KEPT = 64;

/** @internal So long we wait for what the platform answers at once, if it answers, in milliseconds. */
export const PATIENCE = 10_000;

/** How long a grant is handed on within a context, in milliseconds. The rules know it as well. */
const MILLIS = 10;

/** @internal */
export class Client {
  readonly #memory: WebAssembly.Memory;
  readonly #spaces = new Map<string | undefined, Space>();
  readonly #queues: (Queue | undefined)[] = [];
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #labels = new Map<RequestNumber, string>();
  /** What the platform said of late: few different things, so few are kept. */
  readonly #said: string[] = [];
  #saidLast = 0;
  #isAtWork = false;
  /** Not before the platform is asked for anything: to find out where we are takes a while in Node. */
  #grants: PlatformGrants | undefined;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  space(prefix: string | undefined): Space {
    let space = this.#spaces.get(prefix);
    if (!space) this.#spaces.set(prefix, (space = { prefix, queues: new Map() }));
    return space;
  }

  /** A new queue, for a key that breaks no rule. */
  open(space: Space, key: string): Queue {
    if (space.prefix !== undefined) this.#platform();
    const queue = { number: core.open(space.prefix === undefined), key, space };
    space.queues.set(key, queue);
    return (this.#queues[queue.number] = queue);
  }

  #platform(): PlatformGrants {
    if (!this.#grants) {
      core.setQuirks(isNode());
      this.#grants = new PlatformGrants(this);
    }
    return this.#grants;
  }

  /** A queue outside of the rules for keys, for use of our own. */
  ownQueue(name: string): Queue {
    const queue = { number: core.open(false), key: name, space: { prefix: '', queues: new Map() } };
    return (this.#queues[queue.number] = queue);
  }

  /** The number of the rule for keys that is broken, or 0. */
  brokenRule(text: string): number {
    const bytes = text.length > 200 ? [] : keyOf(text);
    const length = text.length > 200 ? 201 : Math.min(bytes.length, 201);
    // Made anew each time: memory that grows is another one.
    new Uint8Array(this.#memory.buffer, core.keyBuffer(), 201).set(bytes.slice(0, length));
    return core.checkKey(length);
  }

  nameOf(number: QueueNumber): string {
    const queue = this.#queues[number] as Queue;
    return queue.space.prefix + queue.key;
  }

  /** Makes a request. Returns its number before the three bits of its state. */
  ask(queue: Queue, what: number, label?: string): number {
    const isLocal = queue.space.prefix === undefined;
    const moment = isLocal ? about() : now();
    // A clock that was replaced may have released the last lock of this queue, which then is closed.
    if (this.#queues[queue.number] !== queue) queue = queue.space.queues.get(queue.key) ?? this.open(queue.space, queue.key);
    const asked = core.request(queue.number, what, moment);
    const request = asked >>> 4;
    if (label !== undefined) this.#labels.set(request, label);
    let state = asked & 7;
    if (asked & 8) {
      this.run();
      // Node answers within the call, which may be what the run came to.
      if (state === State.Pending) state = core.state(request) & 7;
    }
    return (request << 3) | state;
  }

  /** Returns who watched it before. */
  watch(request: RequestNumber, watcher: Watcher | undefined): Watcher | undefined {
    const before = this.#watchers[request];
    this.#watchers[request] = watcher;
    return before;
  }

  state(request: RequestNumber): number {
    return core.state(request);
  }

  /** Why a request failed, or its lock was lost, by the number of the reason; and what was said. */
  reasonOf(state: number): [reason: number, said: string] {
    return [(state >>> 3) & 15, this.#said[state >>> 7] ?? ''];
  }

  labelOf(request: RequestNumber): string | undefined {
    return this.#labels.get(request);
  }

  /**
   * Frees a lock and forgets its request; only with `evenIfLost` one that was lost. If it is not free by
   * then, {@link whenFree} tells. {@link run} is left to the caller.
   */
  free(request: RequestNumber, evenIfLost = false): Freed {
    // To look at the clock takes as long as all the rest, and it matters to those alone who wait.
    let freed = evenIfLost ? Freed.TellTheTime : core.free(request, -1);
    if (freed === Freed.Lost) return freed;
    if (freed === Freed.TellTheTime) freed = core.free(request, now());
    else if (freed === Freed.TellAboutWhen) freed = core.free(request, about());
    if (freed === Freed.Later) return freed;
    const watcher = this.#watchers[request];
    if (watcher) this.#watchers[request] = undefined;
    if (this.#labels.size) this.#labels.delete(request);
    this.#unused(freed >>> 2);
    watcher?.changed(State.Freed);
    return freed & 3;
  }

  /** Calls back when the lock is free that {@link free} was called for, and forgets its request. */
  whenFree(request: RequestNumber, callBack: () => void): void {
    const freed = () => {
      if (this.#watchers[request] !== watcher) return;
      this.#watchers[request] = undefined;
      endTimer();
      this.remove(request);
      callBack();
    };
    const watcher = { changed: (state: number) => void ((state & 7) === State.Releasing || freed()) };
    this.#watchers[request] = watcher;
    // By a platform that says nothing, it is as free as it will ever be.
    const endTimer = timer(PATIENCE, freed);
  }

  /** Forgets a request, and frees what it holds. */
  remove(request: RequestNumber): void {
    this.#forget(request);
    this.run();
  }

  #forget(request: RequestNumber): void {
    const watcher = this.#watchers[request];
    this.#watchers[request] = undefined;
    if (this.#labels.size) this.#labels.delete(request);
    this.#unused(core.remove(request, now()));
    watcher?.changed(State.Freed);
  }

  /** A try that waits for what this context has released waits no longer. */
  tryAtOnce(request: RequestNumber): void {
    core.tryAtOnce(request, now());
    this.run();
  }

  /** Nobody uses the queue of this number, less one. */
  #unused(number: number): void {
    if (!number) return;
    const { key, space } = this.#queues[number - 1] as Queue;
    if (space.queues.size > KEPT || space.prefix === '') this.#close(number - 1, space, key);
  }

  #close(number: QueueNumber, space: Space, key: string): void {
    if (!core.close(number)) return;
    space.queues.delete(key);
    this.#queues[number] = undefined;
  }

  /** The platform has called back. Returns whether to keep the lock; {@link run} is left to the caller. */
  calledBack(grant: number, serial: number, hasLock: boolean): boolean {
    return core.calledBack(grant, serial, hasLock, now());
  }

  /** What was asked of the platform is settled: resolved (0), aborted (1), or failed (2) and why. */
  settled(grant: number, serial: number, how: 0 | 1 | 2, said = ''): void {
    this.#unused(core.settled(grant, serial, how, how === 2 ? this.#note(said) : 0, now()));
  }

  confirmed(grant: number, serial: number): void {
    this.#unused(core.confirmed(grant, serial, now()));
    this.run();
  }

  #note(said: string): number {
    const known = this.#said.indexOf(said);
    if (known >= 0) return known;
    this.#saidLast = (this.#saidLast + 1) % 256;
    this.#said[this.#saidLast] = said;
    return this.#saidLast;
  }

  /** This page goes into the back/forward cache. */
  loseAll(): void {
    core.loseAll();
    for (const [number, queue] of this.#queues.entries()) {
      if (queue && queue.space.queues.size > KEPT) this.#close(number, queue.space, queue.key);
    }
    this.run();
  }

  setHidden(isHidden: boolean): void {
    core.setHidden(isHidden, now());
    this.run();
  }

  holds(queue: Queue): boolean {
    return core.holds(queue.number);
  }

  /** Who of this context is in the way of a request that waits. */
  ahead(request: RequestNumber, most: number): { holder: RequestNumber; since: number; waiting: number | undefined } | undefined {
    if (!core.ahead(request, most)) return undefined;
    const waiting = core.detail(1);
    return { holder: core.detail(0), since: core.since(), waiting: waiting === 0xffff_ffff ? undefined : waiting };
  }

  /** What this context holds and waits for of one space, as of now. */
  own(space: Space): Own[] {
    return this.#rows(core.listOwn(), space);
  }

  /** What the platform may have to show of this context. */
  asked(space: Space): Own[] {
    return this.#rows(core.listAsked(), space);
  }

  #rows(count: number, space: Space): Own[] {
    const rows: Own[] = [];
    for (let n = 0; n < count; n++) {
      const request = core.row(n);
      const flags = core.detail(0);
      const queue = this.#queues[flags >>> 3] as Queue;
      if (queue.space !== space) continue;
      const mode = flags & 1 ? 'shared' : 'exclusive';
      rows.push({ request, key: queue.key, mode, isHeld: (flags & 2) > 0, isAsked: (flags & 4) > 0, since: core.since() });
    }
    return rows;
  }

  /**
   * Does what follows from a step, one after the other and each to its end. What then follows stands
   * behind the others, for this loop to do: so nothing is released before it was asked for, and a thousand
   * who are refused at once need no more of the stack than one.
   */
  run(): void {
    if (this.#isAtWork) return;
    this.#isAtWork = true;
    try {
      for (let effect; (effect = core.next()); ) this.#do(effect & 7, effect >>> 3);
    } finally {
      this.#isAtWork = false;
    }
  }

  #do(effect: Effect, number: number): void {
    if (effect === Effect.Changed) {
      const watcher = this.#watchers[number];
      if (watcher) watcher.changed(core.state(number));
    } else if (effect === Effect.Remind) {
      this.#remind();
    } else if (effect === Effect.Request) {
      this.#platform().ask(number, core.detail(0), this.nameOf(core.detail(1)), core.detail(2));
    } else if (effect === Effect.Confirm) {
      void this.#platform().confirm(number, core.detail(0), core.detail(1));
    } else {
      this.#platform().end(number, core.detail(0), effect === Effect.Release);
    }
  }

  #remind(): void {
    const remind = () => {
      core.remind(now());
      this.run();
    };
    try {
      startTimer(MILLIS, remind);
    } catch {
      // Without a timer the platform is asked at once.
      core.setHidden(true, now());
    }
  }
}

/** @internal A request of this context. */
export interface Own {
  request: RequestNumber;
  key: string;
  mode: 'exclusive' | 'shared';
  /** Whether it is held; of what the platform was asked for, whether it has called back. */
  isHeld: boolean;
  /** Whether the platform was asked for this one itself. */
  isAsked: boolean;
  /** Since when it is held, or waits. */
  since: number;
}
