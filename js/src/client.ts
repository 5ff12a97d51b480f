// This page, worker or thread, as the rules of the crate know it. The client tells them what happens, in
// numbers, and applies the commands that follow. No JavaScript runs while the rules run, so they do not
// depend on what it does or throws.

import { about, now, startTimer, timer } from './clock.js';
import type { Core, QueueNumber, RequestNumber } from './core.js';
import { keyOf } from './keys.js';
import { PlatformGrants } from './platform-grants.js';

/** @internal Where a request stands: the low three bits of its state. */
export const enum State {
  Pending,
  Held,
  /** Somebody else holds the lock, and the request was not to wait. */
  Busy,
  Rejected,
  Lost,
  /** Its holder has released it; the platform may not know yet. */
  Releasing,
  Freed,
  /** Not a state: {@link Client.downgrade} cannot be done. */
  Unsupported,
}

/** @internal How {@link Client.request} makes a request. */
export const enum RequestFlag {
  Shared = 1,
  /** If it cannot be granted at once, it is refused or steals. Without either, it waits. */
  OrRefuse = 2,
  Steal = 4,
  /** It queues with the platform by itself. */
  Alone = 8,
}

/** What is to be done next, in the low three bits. */
const enum Command {
  Changed = 1,
  Request,
  Release,
  Forget,
  Confirm,
  Remind,
}

/** @internal What became of a lock that was to be freed. It is free if the number is odd. */
export const enum Freed {
  /** It is free once the platform confirms that. */
  Later = 0,
  /** Nothing was done. The call needs the time. */
  TellTheTime = 2,
  /** Nothing was done. The call needs the time, exact to a millisecond. */
  TellAboutWhen = 4,
  /** It was lost before. Its request is still there. */
  Lost = 6,
  /** It is free, and no command follows. */
  Now = 1,
  /** It is free, and {@link Client.run} applies the commands that follow. */
  NowAndMore = 3,
}

/** @internal Is told when a request has changed. */
export interface Watcher {
  changed(state: number): void;
}

/** @internal The locks with one prefix. */
export interface Space {
  /** The start of all their names at the platform; `undefined` for locks in memory. */
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

/** How many unused queues are kept for each space, because to make one takes as long as a lock. */
const KEPT = 64;

/** @internal How long we wait for what the platform answers at once, if it answers, in milliseconds. */
export const ANSWER_LIMIT = 10_000;

/** How long a grant is handed on within a context, in milliseconds. (`MILLIS` in `src/core/handoff.rs`.) */
const MILLIS = 10;

/** @internal */
export class Client {
  readonly #core: Core;
  readonly #spaces = new Map<string | undefined, Space>();
  readonly #queues: (Queue | undefined)[] = [];
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #labels = new Map<RequestNumber, string>();
  /** The latest explanations of the platform. They are few, so few are kept. */
  readonly #said: string[] = [];
  #saidLast = 0;
  #isApplying = false;
  /** Made when the platform is first needed, because to find out where we run takes a while in Node. */
  #grants: PlatformGrants | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  space(prefix: string | undefined): Space {
    let space = this.#spaces.get(prefix);
    if (!space) this.#spaces.set(prefix, (space = { prefix, queues: new Map() }));
    return space;
  }

  /** Makes a queue for a key that breaks no rule. */
  open(space: Space, key: string): Queue {
    if (space.prefix !== undefined) this.#platform();
    const queue = { number: this.#core.open(space.prefix === undefined), key, space };
    space.queues.set(key, queue);
    return (this.#queues[queue.number] = queue);
  }

  #platform(): PlatformGrants {
    return (this.#grants ??= new PlatformGrants(this));
  }

  /** Makes a queue for a name of our own, which need not follow the rules for keys. */
  ownQueue(name: string): Queue {
    const queue = { number: this.#core.open(false), key: name, space: { prefix: '', queues: new Map() } };
    return (this.#queues[queue.number] = queue);
  }

  /** The number of the rule for keys that is broken, or 0. */
  brokenRule(text: string): number {
    const bytes = text.length > 200 ? [] : keyOf(text);
    const length = text.length > 200 ? 201 : Math.min(bytes.length, 201);
    // A new array each time, because memory that has grown has another buffer.
    new Uint8Array(this.#core.memory.buffer, this.#core.keyBuffer(), 201).set(bytes.slice(0, length));
    return this.#core.checkKey(length);
  }

  nameOf(number: QueueNumber): string {
    const queue = this.#queues[number] as Queue;
    return queue.space.prefix + queue.key;
  }

  /** Makes a request. Returns its number above the three bits of its state. */
  request(queue: Queue, flags: number, label?: string): number {
    const isLocal = queue.space.prefix === undefined;
    const time = isLocal ? about() : now();
    // A clock that a test has replaced may have released the last lock of this queue. Then the queue is closed.
    if (this.#queues[queue.number] !== queue) queue = queue.space.queues.get(queue.key) ?? this.open(queue.space, queue.key);
    const requested = this.#core.request(queue.number, flags, time);
    const request = requested >>> 4;
    if (label !== undefined) this.#labels.set(request, label);
    let state = requested & 7;
    if (requested & 8) {
      this.run();
      // Node answers within the call, so the state may have changed.
      if (state === State.Pending) state = this.#core.state(request) & 7;
    }
    return (request << 3) | state;
  }

  /** Replaces the watcher of a request. Returns the one before. */
  watch(request: RequestNumber, watcher: Watcher | undefined): Watcher | undefined {
    const before = this.#watchers[request];
    this.#watchers[request] = watcher;
    return before;
  }

  state(request: RequestNumber): number {
    return this.#core.state(request);
  }

  /** Why a request failed, or its lock was lost: the number of the reason, and the platform's explanation. */
  reasonOf(state: number): [reason: number, said: string] {
    return [(state >>> 3) & 15, this.#said[state >>> 7] ?? ''];
  }

  labelOf(request: RequestNumber): string | undefined {
    return this.#labels.get(request);
  }

  /**
   * Frees a lock and forgets its request. One that was lost is forgotten only with `evenIfLost`. If the lock is
   * not free at once, {@link whenFree} tells. The caller calls {@link run} afterwards.
   */
  free(request: RequestNumber, evenIfLost = false): Freed {
    // To read the clock takes as long as all the rest, and only waiters need the time.
    let freed = evenIfLost ? Freed.TellTheTime : this.#core.free(request, -1);
    if (freed === Freed.Lost) return freed;
    if (freed === Freed.TellTheTime) freed = this.#core.free(request, now());
    else if (freed === Freed.TellAboutWhen) freed = this.#core.free(request, about());
    if (freed === Freed.Later) return freed;
    const watcher = this.#watchers[request];
    if (watcher) this.#watchers[request] = undefined;
    if (this.#labels.size) this.#labels.delete(request);
    this.#unused(freed >>> 2);
    watcher?.changed(State.Freed);
    return freed & 3;
  }

  /** Makes a held lock shared. Returns its state then. The caller calls {@link run} afterwards. */
  downgrade(request: RequestNumber): number {
    // Only of locks in memory, whose times are for those who look.
    return this.#core.downgrade(request, about());
  }

  /** Calls back when a lock that {@link free} was called for is free, and forgets its request. */
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
    // A platform that confirms nothing is not waited for any longer.
    const endTimer = timer(ANSWER_LIMIT, freed);
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
    this.#unused(this.#core.remove(request, now()));
    watcher?.changed(State.Freed);
  }

  /** A try no longer waits for what this context has released. */
  tryAtOnce(request: RequestNumber): void {
    this.#core.tryAtOnce(request, now());
    this.run();
  }

  /** The queue of this number less one, if it is not 0, is no longer used. */
  #unused(number: number): void {
    if (!number) return;
    const { key, space } = this.#queues[number - 1] as Queue;
    if (space.queues.size > KEPT || space.prefix === '') this.#close(number - 1, space, key);
  }

  #close(number: QueueNumber, space: Space, key: string): void {
    if (!this.#core.close(number)) return;
    space.queues.delete(key);
    this.#queues[number] = undefined;
  }

  /** The platform has called back. Returns whether to hold the lock. The caller calls {@link run} afterwards. */
  calledBack(grant: number, serial: number, hasLock: boolean): boolean {
    return this.#core.calledBack(grant, serial, hasLock, now()) > 0;
  }

  /** The promise of a request is settled: resolved (0), aborted (1), or failed (2) and why. */
  settled(grant: number, serial: number, how: 0 | 1 | 2, said = ''): void {
    this.#unused(this.#core.settled(grant, serial, how, how === 2 ? this.#note(said) : 0, now()));
  }

  confirmed(grant: number, serial: number): void {
    this.#unused(this.#core.confirmed(grant, serial, now()));
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
    this.#core.loseAll();
    for (const [number, queue] of this.#queues.entries()) {
      if (queue && queue.space.queues.size > KEPT) this.#close(number, queue.space, queue.key);
    }
    this.run();
  }

  setHidden(isHidden: boolean): void {
    this.#core.setHidden(isHidden, now());
    this.run();
  }

  holds(queue: Queue): boolean {
    return this.#core.holds(queue.number) > 0;
  }

  /** Who of this context is in the way of a pending request. */
  ahead(request: RequestNumber, most: number): { holder: RequestNumber; since: number; waiting: number | undefined } | undefined {
    if (!this.#core.ahead(request, most)) return undefined;
    const waiting = this.#core.detail(1);
    return { holder: this.#core.detail(0), since: this.#core.since(), waiting: waiting < 0 ? undefined : waiting };
  }

  /** The requests of this context in one space, held and pending. */
  own(space: Space): Own[] {
    return this.#rows(this.#core.listOwn(), space);
  }

  /** The requests of this context that were sent to the platform, which may show them. */
  sent(space: Space): Own[] {
    return this.#rows(this.#core.listAsked(), space);
  }

  #rows(count: number, space: Space): Own[] {
    const rows: Own[] = [];
    for (let n = 0; n < count; n++) {
      const request = this.#core.row(n);
      const flags = this.#core.detail(0);
      const queue = this.#queues[flags >>> 3] as Queue;
      if (queue.space !== space) continue;
      const mode = flags & 1 ? 'shared' : 'exclusive';
      rows.push({ request, key: queue.key, mode, isHeld: (flags & 2) > 0, isSent: (flags & 4) > 0, since: this.#core.since() });
    }
    return rows;
  }

  /**
   * Applies all commands, one after the other and each to its end. A command may call this method again. The
   * commands that this adds come behind the others, in the loop below. So a request is sent before it is
   * released, and a thousand requests that fail at once need no more of the stack than one.
   */
  run(): void {
    if (this.#isApplying) return;
    this.#isApplying = true;
    try {
      for (let next; (next = this.#core.next()); ) this.#apply(next & 7, next >>> 3);
    } finally {
      this.#isApplying = false;
    }
  }

  #apply(command: Command, number: number): void {
    if (command === Command.Changed) {
      const watcher = this.#watchers[number];
      if (watcher) watcher.changed(this.#core.state(number));
    } else if (command === Command.Remind) {
      this.#remind();
    } else if (command === Command.Request) {
      this.#platform().request(number, this.#core.detail(0), this.nameOf(this.#core.detail(1)), this.#core.detail(2));
    } else if (command === Command.Confirm) {
      void this.#platform().confirm(number, this.#core.detail(0));
    } else {
      this.#platform().end(number, this.#core.detail(0), command === Command.Release);
    }
  }

  #remind(): void {
    const remind = () => {
      this.#core.remind(now());
      this.run();
    };
    try {
      startTimer(MILLIS, remind);
    } catch {
      // Without a timer, requests are sent to the platform at once, as in a hidden page.
      this.#core.setHidden(true, now());
    }
  }
}

/** @internal A request of this context. */
export interface Own {
  request: RequestNumber;
  key: string;
  mode: 'exclusive' | 'shared';
  /** Whether it is held. In {@link Client.sent}: whether the platform has called back. */
  isHeld: boolean;
  /** Whether one was sent to the platform for this request alone. */
  isSent: boolean;
  /** Since when it has been held or pending. */
  since: number;
}
