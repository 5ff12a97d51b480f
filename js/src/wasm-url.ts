/**
 * The same as `crosslock`, except that the WebAssembly is not inlined: it is loaded, at the first call,
 * from `crosslock_bg.wasm` beside this module, and compiled while it arrives.
 *
 * Import from one of the two in all of an application: each has classes of its own. Their locks exclude
 * each other, in memory and beyond.
 *
 * @packageDocumentation
 */

// The build gives this entry another `#wasm-source`.
export * from './index.js';
