// What the build puts in for the bare names below: src/js/ of the crate, compiled by wasm-pack.
// Written by hand, because wasm-bindgen knows a promise only as `Promise<any>`.

declare module '#wasm-glue' {
  /** A lock error of the crate. */
  export interface Failure {
    code: import('./errors.js').LockErrorCode;
    message: string;
    key: string | undefined;
  }

  /** A request of a snapshot. */
  export interface Request {
    key: string;
    mode: 'exclusive' | 'shared';
    age: number | undefined;
    client: string | undefined;
  }

  /** A snapshot. */
  export interface Requests {
    held: Request[];
    pending: Request[];
  }

  /** A lock that is held, until its release. */
  export type GuardNumber = number & { readonly '': unique symbol };

  /** What waits to be answered. */
  export type TaskNumber = number & { readonly '': unique symbol };

  /** Where the crate leaves a result: the two functions of a promise. */
  export interface Answer<T> {
    resolve(value: T): void;
    reject(failure: Failure): void;
  }

  /** Every method gives its task's number, unless it is answered by then. */
  export class Manager {
    private constructor();
    static memory(label?: string): Manager;
    static web(name: string, isPrefix: boolean, passing: boolean): Manager;
    acquire(key: string, shared: boolean, timeout: number, answer: Answer<GuardNumber>): TaskNumber | undefined;
    tryAcquire(key: string, shared: boolean, answer: Answer<GuardNumber | undefined>): TaskNumber | undefined;
    steal(key: string, answer: Answer<GuardNumber>): TaskNumber | undefined;
    lockMany(keys: string[], timeout: number, answer: Answer<GuardNumber[]>): TaskNumber | undefined;
    query(answer: Answer<Requests>): TaskNumber | undefined;
  }

  /** What the copies of one version share: an instance of the compiled crate. */
  export interface Crate {
    readonly Manager: typeof Manager;
    readonly cancel: typeof cancel;
    readonly key: typeof key;
    readonly loss: typeof loss;
    readonly lost: typeof lost;
    readonly release: typeof release;
  }

  export function cancel(task: TaskNumber): void;
  export function key(guard: GuardNumber): string | undefined;
  export function loss(guard: GuardNumber): Failure | undefined;
  export function lost(guard: GuardNumber, answer: Pick<Answer<Failure>, 'resolve'>): void;
  export function release(guard: GuardNumber, answer: Pick<Answer<void>, 'resolve'>): Failure | undefined;

  export function initSync(options: { module: WebAssembly.Module }): unknown;
}

declare module '*.wasm' {
  /** What bundlers for Cloudflare Workers make of the file. */
  const module: WebAssembly.Module;
  export default module;
}

declare module '#wasm-source' {
  /** The crate, wherever this entry of the package has it from: `source-inline.ts` or `source-url.ts`. */
  export function compile(): Promise<WebAssembly.Module>;
}

declare module '#wasm-inline' {
  /** The compiled crate, for `decode()`. */
  const encoded: string;
  export default encoded;
}

/** The version of the package, which the build puts in. */
declare const CROSSLOCK_VERSION: string;
