// The rules: what js/crate exports, as its `exports.rs` describes it. All are numbers, of 32 bits and with a sign but for
// times, and WebAssembly makes 0 or 1 of a boolean.

/** @internal Names what waits or is held, from {@link Core.request} until {@link Core.remove}. */
export type RequestNumber = number;

/** @internal Names the queue of a lock, from {@link Core.open} until {@link Core.close}. */
export type QueueNumber = number;

/** What answers yes or no. */
type Bit = 0 | 1;

/** @internal */
export interface Core {
  readonly memory: WebAssembly.Memory;

  /** Where a key is written for {@link Core.checkKey}; a longer one is too long. */
  keyBuffer(): number;
  /** Which rule a key breaks: see `messages.ts`. */
  checkKey(length: number): number;

  open(isLocal: boolean): QueueNumber;
  /** Forgets a queue, unless it is in use. */
  close(queue: QueueNumber): Bit;

  /** The number of a new request, before a bit that says whether anything follows, before three of its state. */
  request(queue: QueueNumber, flags: number, now: number): number;
  /** Three bits for the state and four for the reason, before the number of what was said. */
  state(request: RequestNumber): number;
  /** Makes a held lock shared. The state that follows, or 7 where the platform cannot do it. */
  downgrade(request: RequestNumber, now: number): number;
  /**
   * Frees a lock and forgets its request, if that is told by an odd number: two bits of `Freed`, before the
   * queue if nobody uses it any more, plus one. An even number is one of `Freed`. A negative time is none.
   */
  free(request: RequestNumber, now: number): number;
  /** The queue if nobody uses it any more, plus one; or 0. */
  remove(request: RequestNumber, now: number): number;
  tryAtOnce(request: RequestNumber, now: number): void;

  /** What is to be done next: three bits, before the number of a request or a grant; or 0. */
  next(): number;
  /** More about what was asked last. */
  detail(n: number): number;
  since(): number;

  calledBack(grant: number, serial: number, hasLock: boolean, now: number): Bit;
  settled(grant: number, serial: number, how: number, said: number, now: number): number;
  confirmed(grant: number, serial: number, now: number): number;
  loseAll(): void;
  remind(now: number): void;
  setHidden(isHidden: boolean, now: number): void;

  holds(queue: QueueNumber): Bit;
  /** Whether somebody of this context is in the way; then `detail` has the holder and the number in front. */
  ahead(request: RequestNumber, most: number): Bit;
  /** How many rows {@link Core.row} has: the requests of this context. */
  listOwn(): number;
  /** How many rows {@link Core.row} has: what the platform was asked for. */
  listAsked(): number;
  /** A row; its request is returned, its rest in `detail` and `since`. */
  row(n: number): number;
}

/** What wasm-bindgen would fill its table of references with. Numbers need none. */
const imports = { './crosslock_bg.js': { __wbindgen_init_externref_table() {} } };

/** @internal The rules, with nothing asked of them yet. */
export const instantiate = (module: WebAssembly.Module): Core => new WebAssembly.Instance(module, imports).exports as unknown as Core;
