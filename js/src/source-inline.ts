import base64 from '#wasm-inline';

/** @internal The crate, compiled from the bytes that the bundle carries. */
export async function compile(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}
