// What the build puts in for the bare names below.

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
