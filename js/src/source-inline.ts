import encoded from '#wasm-inline';
import { decode } from './decode.js';

/** @internal The crate, compiled from the bytes that the bundle carries. */
export async function compile(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(decode(encoded));
}
