import encoded from '#wasm-inline';
import { decode } from './decode.js';

/** @internal The crate, compiled from the bytes that the bundle carries. */
export async function compile(): Promise<WebAssembly.Module> {
  const bytes = decode(encoded);
  try {
    // This takes a third of a millisecond. In another thread it would take half as much again.
    return new WebAssembly.Module(bytes);
  } catch {
    // Some versions of Chromium compile modules of this size only in other threads.
    return WebAssembly.compile(bytes);
  }
}
