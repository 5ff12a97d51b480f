// What the build puts in for the bare names below: the exports of js/crate, compiled by wasm-pack.
// Written by hand, because wasm-bindgen knows no more of them than that they are numbers.

declare module '#wasm-glue' {
  /** Names what waits or is held, from {@link request} until {@link remove}. */
  export type RequestNumber = number;

  /** Names the queue of a lock, from {@link open} until {@link close}. */
  export type QueueNumber = number;

  /** Where a key is written for {@link checkKey}; a longer one is too long. */
  export function keyBuffer(): number;
  /** Which rule a key breaks: see `messages.ts`. */
  export function checkKey(length: number): number;

  export function open(isLocal: boolean): QueueNumber;
  /** Forgets a queue, unless it is in use. */
  export function close(queue: QueueNumber): boolean;

  /** The number of a new request, before a bit that says whether anything follows, before three of its state. */
  export function request(queue: QueueNumber, flags: number, now: number): number;
  /** Three bits for the state and four for the reason, before the number of what was said. */
  export function state(request: RequestNumber): number;
  /** Makes a held lock shared. The state that follows, or 7 where the platform cannot do it. */
  export function downgrade(request: RequestNumber, now: number): number;
  /**
   * Frees a lock and forgets its request, if that is told by an odd number: two bits of `Freed`, before the
   * queue if nobody uses it any more, plus one. An even number is one of `Freed`. A negative time is none.
   */
  export function free(request: RequestNumber, now: number): number;
  /** The queue if nobody uses it any more, plus one; or 0. */
  export function remove(request: RequestNumber, now: number): number;
  export function tryAtOnce(request: RequestNumber, now: number): void;

  /** What is to be done next: three bits, before the number of a request or a grant; or 0. */
  export function next(): number;
  /** More about what was asked last. */
  export function detail(n: number): number;
  export function since(): number;

  export function calledBack(grant: number, serial: number, hasLock: boolean, now: number): boolean;
  export function settled(grant: number, serial: number, how: number, said: number, now: number): number;
  export function confirmed(grant: number, serial: number, now: number): number;
  export function loseAll(): void;
  export function remind(now: number): void;
  export function setHidden(isHidden: boolean, now: number): void;
  export function setQuirks(queuesWithdrawn: boolean): void;

  export function holds(queue: QueueNumber): boolean;
  /** Whether somebody of this context is in the way; then `detail` has the holder and the number in front. */
  export function ahead(request: RequestNumber, most: number): boolean;
  /** How many rows {@link row} has: the requests of this context. */
  export function listOwn(): number;
  /** How many rows {@link row} has: what the platform was asked for. */
  export function listAsked(): number;
  /** A row; its request is returned, its rest in `detail` and `since`. */
  export function row(n: number): number;

  export function initSync(options: { module: WebAssembly.Module }): { memory: WebAssembly.Memory };
}

declare module '*.wasm' {
  /** What bundlers for Cloudflare Workers make of the file. */
  const module: WebAssembly.Module;
  export default module;
}

declare module '#wasm-source' {
  /** The module, wherever this entry of the package has it from: `source-inline.ts` or `source-url.ts`. */
  export function compile(): Promise<WebAssembly.Module>;
}

declare module '#wasm-inline' {
  /** The compiled module, for `decode()`. */
  const encoded: string;
  export default encoded;
}

/** The version of the package, which the build puts in. */
declare const CROSSLOCK_VERSION: string;
