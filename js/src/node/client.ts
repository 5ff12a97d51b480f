// What this thread is to both halves: to the addon, which has the locks of the process and of datadirs, and
// to the WebAssembly, which has those of `navigator.locks`. It has the methods of `../client.ts`, through
// which all else asks, and tells the halves apart by numbers: the queues of the addon have numbers below
// zero, its requests odd ones.
//
// Another thread may grant at any moment, which the WebAssembly never sees. So whoever begins to watch a
// request that was pending a moment ago is told if it is not any more.

import { RequestFlag, type Client, Freed, type Own, type Queue, type Space, State, type Watcher } from '../client.js';
import { now } from './clock.js';
import { LockError, type LockErrorCode, unavailable } from '../errors.js';
import { read } from '../host.js';
import { NativePromise } from '../native-promise.js';
import { type Addon, type DatadirKind, MEMORY, type Opened } from './addon.js';
import type { Host } from './host.js';
import { builtin } from './host.js';
import { Conflict } from './loader.js';
import { named, parts } from './names.js';

type RequestNumber = number;

/** @internal The WebAssembly, and whether all copies of the package in this thread have this one. */
export interface Web {
  client: Client;
  isShared: boolean;
}

/** @internal A space of the addon's. No platform has its names, so there is no prefix. */
export interface NativeSpace extends Space {
  readonly prefix: undefined;
  readonly number: number;
  /** Of a datadir: what its manager is called, which `../manager.ts` tells of locks in memory alone. */
  readonly label: string | undefined;
  /** Of a datadir: why nothing can be asked for any more. */
  closed: (() => LockError) | undefined;
  /** Of a datadir: calls `watch` once somebody is to hear of a loss. */
  watch: (() => void) | undefined;
}

/** @internal */
export const nativeSpace = (number: number, label?: string): NativeSpace => ({
  prefix: undefined,
  queues: new Map(),
  number,
  label,
  closed: undefined,
  watch: undefined,
});

/** So many queues that nobody uses are kept for each space, as in `../client.ts`. */
const KEPT = 64;

/** The number of the reason whose text is what was said: `describeReason` knows no such number. */
const SAID = 7;

/** Stands for the holder that {@link NodeClient.ahead} has found, who may be of another thread. */
const HOLDER = -1;

/** @internal */
export class NodeClient {
  readonly #load: () => Addon;
  readonly #loadWasm: () => Web;
  #loaded: Addon | undefined;
  #wasm: Client | undefined;
  #isWasmShared = false;
  /** What the addon calls us by. */
  #number = 0;
  #id: string | undefined;
  #memory: NativeSpace | undefined;
  readonly #queues: (Queue | undefined)[] = [];
  readonly #watchers: (Watcher | undefined)[] = [];
  /** Whether a request was pending when we last heard of it. */
  readonly #waits: boolean[] = [];
  /** Of the requests for locks of datadirs. */
  readonly #spaces: (NativeSpace | undefined)[] = [];
  /** Why locks were lost: few different things, so few are kept. */
  readonly #said: string[] = [];
  #saidLast = 0;
  #holder: string | undefined;
  #isAtWork = false;
  /** By their tokens. */
  readonly #datadirs = new Map<string, NativeSpace>();
  /** Those that are being opened, by their tickets. */
  readonly #openings = new Map<number, (opened: Opened) => void>();
  /** In front of all tokens. A `WebLockManager` can be given any prefix, but not this one. */
  readonly #secret = `\0datadir:${Math.random()}:${Math.random()}:`;

  constructor(load: () => Addon, loadWasm: () => Web) {
    this.#load = load;
    this.#loadWasm = loadWasm;
  }

  /** The addon, with this thread as a client of it. */
  get addon(): Addon {
    if (!this.#loaded) {
      const addon = this.#load();
      this.#number = addon.connect(() => this.look(), this.id);
      this.#loaded = addon;
    }
    return this.#loaded;
  }

  /** @throws LockError `UNAVAILABLE` */
  connect(): void {
    void this.addon;
  }

  /** Whether there is an addon. */
  get isConnected(): boolean {
    return this.#loaded !== undefined || read(() => this.addon) !== undefined;
  }

  get #web(): Client {
    if (!this.#wasm) ({ client: this.#wasm, isShared: this.#isWasmShared } = this.#loadWasm());
    return this.#wasm;
  }

  /** Names this thread in `query()`. All copies of the package in it are one client. */
  get id(): string {
    return (this.#id ??= `thread-${(globalThis as Host).process?.pid}-${builtin('node:worker_threads').threadId}`);
  }

  space(prefix: string | undefined): Space {
    const datadir = prefix?.startsWith(this.#secret) ? this.#datadirs.get(prefix) : undefined;
    if (datadir) return datadir;
    if (prefix?.startsWith(this.#secret)) throw closed(prefix.slice(prefix.indexOf('\0', 1) + 1));
    if (prefix !== undefined) return this.#web.space(prefix);
    if (this.#memory) return this.#memory;
    try {
      this.connect();
      return (this.#memory = nativeSpace(MEMORY));
    } catch (thrown) {
      if ((thrown as LockError).cause instanceof Conflict) throw thrown;
    }
    const space = this.#web.space(undefined);
    if (this.#isWasmShared) return space;
    throw unavailable('another copy of crosslock, made for pages, has the locks in memory of this thread, and the native half is missing');
  }

  open(space: Space, key: string): Queue {
    if (space.prefix !== undefined) return this.#web.open(space, key);
    // In memory, without an addon.
    if (!('number' in space)) return this.#web.open(space, key);
    const { closed } = space as NativeSpace;
    if (closed) throw closed();
    const number = this.addon.open(this.#number, (space as NativeSpace).number, key);
    const queue: Queue = { number: ~number, key, space };
    space.queues.set(key, queue);
    return (this.#queues[number] = queue);
  }

  ownQueue(name: string): Queue {
    return this.#web.ownQueue(name);
  }

  brokenRule(text: string): number {
    if (!this.#loaded) return this.#web.brokenRule(text);
    return text.length > 200 ? 2 : this.#loaded.checkKey(text);
  }

  request(queue: Queue, how: number, label?: string): number {
    if (queue.number >= 0) return even(this.#web.request(queue, how, label));
    const addon = this.#loaded as Addon;
    // It was closed if nobody used it while its caller waited for another lock.
    if (this.#queues[~queue.number] !== queue) queue = queue.space.queues.get(queue.key) ?? this.open(queue.space, queue.key);
    const space = queue.space as NativeSpace;
    if (space.closed) throw space.closed();
    label ??= space.label;
    let requested: number;
    try {
      const flags = how & (RequestFlag.Shared | RequestFlag.OrRefuse | RequestFlag.Steal);
      requested = label === undefined ? addon.request(~queue.number, flags) : addon.requestAs(~queue.number, flags, named(this.id, label));
    } catch (thrown) {
      throw errorOf(thrown);
    }
    const [request, state] = [requested >>> 3, requested & 7];
    if (space.watch) this.#spaces[request] = space;
    if (state === State.Pending) this.#waits[request] = true;
    // Those whom it was stolen from.
    if (how & RequestFlag.Steal) this.look();
    return (request << 4) | 8 | state;
  }

  /** Returns who watched it before. */
  watch(request: RequestNumber, watcher: Watcher | undefined): Watcher | undefined {
    if (!(request & 1)) return this.#web.watch(request >>> 1, watcher);
    const n = request >>> 1;
    const before = this.#watchers[n];
    this.#watchers[n] = watcher;
    if (!watcher || !n) return before;
    this.#spaces[n]?.watch?.();
    const state = this.#waits[n] ? this.state(request) : this.#full(n, (this.#loaded as Addon).watch(n));
    if ((state & 7) === State.Lost || (this.#waits[n] && (state & 7) !== State.Pending)) {
      this.#waits[n] = false;
      // Never within the call.
      queueMicrotask(() => this.#watchers[n] === watcher && watcher.changed(state));
    }
    return before;
  }

  state(request: RequestNumber): number {
    if (!(request & 1)) return this.#web.state(request >>> 1);
    const n = request >>> 1;
    return n ? this.#full(n, (this.#loaded as Addon).state(n)) : State.Busy;
  }

  /** A state with its reason, if it has one. */
  #full(n: number, state: number): number {
    return state === State.Lost || state === State.Rejected
      ? state | (SAID << 3) | (this.#note((this.#loaded as Addon).reason(n)) << 7)
      : state;
  }

  #note(said: string): number {
    const known = this.#said.indexOf(said);
    if (known >= 0) return known;
    this.#saidLast = (this.#saidLast + 1) % 256;
    this.#said[this.#saidLast] = said;
    return this.#saidLast;
  }

  reasonOf(state: number): [reason: number, said: string] {
    const reason = (state >>> 3) & 15;
    if (reason !== SAID) return this.#web.reasonOf(state);
    const said = this.#said[state >>> 7] ?? '';
    // A platform that refuses is unavailable. Here it is the system that has failed.
    if ((state & 7) === State.Rejected) throw new LockError('IO', said);
    return [SAID, said];
  }

  labelOf(request: RequestNumber): string | undefined {
    return request === HOLDER ? this.#holder : this.#web.labelOf(request >>> 1);
  }

  free(request: RequestNumber, evenIfLost = false): Freed {
    if (!(request & 1)) return this.#web.free(request >>> 1, evenIfLost);
    const n = request >>> 1;
    if (!n) return Freed.Now;
    const addon = this.#loaded as Addon;
    const freed = evenIfLost ? addon.remove(n) : addon.free(n);
    if (freed === Freed.Lost) return freed;
    const watcher = this.#watchers[n];
    if (watcher) this.#watchers[n] = undefined;
    if (this.#waits[n]) this.#waits[n] = false;
    if (this.#spaces[n]) this.#spaces[n] = undefined;
    this.#unused((freed >>> 2) - 1);
    watcher?.changed(State.Freed);
    return freed & 3;
  }

  downgrade(request: RequestNumber): number {
    if (!(request & 1)) return this.#web.downgrade(request >>> 1);
    const n = request >>> 1;
    try {
      return this.#full(n, (this.#loaded as Addon).downgrade(n));
    } catch (thrown) {
      throw errorOf(thrown);
    }
  }

  whenFree(request: RequestNumber, callBack: () => void): void {
    this.#web.whenFree(request >>> 1, callBack);
  }

  remove(request: RequestNumber): void {
    if (!(request & 1)) this.#web.remove(request >>> 1);
    else if (this.free(request, true) === Freed.NowAndMore) this.look();
  }

  tryAtOnce(request: RequestNumber): void {
    if (!(request & 1)) this.#web.tryAtOnce(request >>> 1);
  }

  #unused(number: number): void {
    if (number < 0) return;
    const queue = this.#queues[number] as Queue;
    const { queues, closed } = queue.space as NativeSpace;
    // With a datadir all of its queues go.
    if (queues.size <= KEPT || closed) return;
    this.addon.close(number);
    queues.delete(queue.key);
    this.#queues[number] = undefined;
  }

  holds(queue: Queue): boolean {
    return this.#web.holds(queue);
  }

  ahead(request: RequestNumber, most: number): { holder: RequestNumber; since: number; waiting: number | undefined } | undefined {
    if (!(request & 1)) {
      const ahead = this.#web.ahead(request >>> 1, most);
      return ahead && { ...ahead, holder: ahead.holder << 1 };
    }
    const ahead = this.addon.ahead(request >>> 1, most);
    if (!ahead) return undefined;
    const { holder, heldFor, waiting } = ahead;
    this.#holder = holder === undefined || waiting === undefined ? holder : parts(holder).label;
    return { holder: HOLDER, since: now() - heldFor, waiting };
  }

  /** Of a space of the platform's: the managers of the others show what all threads have. */
  own(space: Space): Own[] {
    return this.#web.own(space).map(withEven);
  }

  sent(space: Space): Own[] {
    return this.#web.sent(space).map(withEven);
  }

  run(): void {
    this.#wasm?.run();
    if (this.#loaded) this.look();
  }

  /** Opens a datadir. It is resolved to what came of it. */
  openDatadir(kind: DatadirKind, datadir: Uint8Array, lockFile: Uint8Array | undefined, timeout: number): Promise<Opened> {
    const ticket = this.addon.openDatadir(this.#number, kind, datadir, lockFile, timeout);
    return new NativePromise((resolve) => this.#openings.set(ticket, resolve));
  }

  /** Has {@link space} give this one for the token that is returned. */
  addDatadir(space: NativeSpace, datadir: string): string {
    const token = `${this.#secret}${space.number}\0${datadir}`;
    this.#datadirs.set(token, space);
    return token;
  }

  removeDatadir(token: string, datadir: string): void {
    const space = this.#datadirs.get(token);
    if (!space) return;
    this.#datadirs.delete(token);
    space.closed = () => closed(datadir);
    this.addon.closeDatadir(space.number);
  }

  /** Tells those who watch what has changed, one after the other and each to its end. */
  look(): void {
    const addon = this.#loaded;
    if (this.#isAtWork || !addon) return;
    this.#isAtWork = true;
    try {
      for (let next; (next = addon.next(this.#number)); ) {
        const n = next >>> 3;
        const state = next & 7;
        if (state !== State.Pending && this.#waits[n]) this.#waits[n] = false;
        this.#watchers[n]?.changed(this.#full(n, state));
      }
      while (this.#openings.size) {
        const opened = addon.opened(this.#number);
        if (!opened) break;
        const done = this.#openings.get(opened.ticket);
        this.#openings.delete(opened.ticket);
        done?.(opened);
      }
    } finally {
      this.#isAtWork = false;
    }
  }
}

/** What the WebAssembly says of a request of its, with a number of ours. */
const even = (requested: number) => ((requested >>> 3) << 4) | (requested & 7);

const withEven = (own: Own): Own => ({ ...own, request: own.request << 1 });

const closed = (datadir: string) => unavailable(`the lock manager of datadir ${datadir} was closed`);

/** @internal What the addon has thrown. */
export function errorOf(thrown: unknown): LockError {
  const { code, message } = thrown as { code: LockErrorCode; message: string };
  return new LockError(code, message, { cause: thrown });
}
