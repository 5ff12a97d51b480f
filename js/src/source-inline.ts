import encoded from '#wasm-inline';
import { decode } from './decode.js';

/** @internal The crate, compiled from the bytes that the bundle carries. */
export async function compile(): Promise<WebAssembly.Module> {
  const bytes = decode(encoded);
  try {
    // So little takes a third of a millisecond, and half as much again by way of another thread.
    return new WebAssembly.Module(bytes);
  } catch {
    // As in a page of a Chromium that compiles so much on other threads alone.
    return WebAssembly.compile(bytes);
  }
}
