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

  export class Guard {
    private constructor();
    readonly key: string;
    loss(): Failure | undefined;
    lost(): Promise<Failure | undefined>;
    release(): Promise<void>;
  }

  export class Manager {
    private constructor();
    static memory(label?: string): Manager;
    static web(namespace: string): Manager;
    acquire(key: string, shared: boolean, timeout: number, signal?: AbortSignal): Promise<Guard>;
    tryAcquire(key: string, shared: boolean): Promise<Guard | undefined>;
    steal(key: string): Promise<Guard>;
    lockMany(keys: string[], timeout: number, signal?: AbortSignal): Promise<Guard[]>;
    query(): Promise<{ held: Request[]; pending: Request[] }>;
  }

  export function initSync(options: { module: WebAssembly.Module }): unknown;
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
