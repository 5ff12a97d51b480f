// By name, not as a whole: what is left out of the bundle includes another loader of the wasm, which
// bundlers would take at its word and copy the file for.
import { initSync, Manager } from '#wasm-glue';
import { compile } from '#wasm-source';
import { LockError, unavailable } from './errors.js';

/** @internal */
export interface Bindings {
  Manager: typeof Manager;
}

let loading: Promise<Bindings> | undefined;

/**
 * The crate, compiled and ready. Loaded at the first call and never again, so that importing the
 * package does nothing.
 *
 * Every operation awaits it, even when it is there already: requests reach the crate in the order
 * in which they were made.
 *
 * @internal
 */
export function crate(): Promise<Bindings> {
  loading ??= load().catch((error) => {
    // A page that was short of memory, or offline, may try again.
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<Bindings> {
  if (typeof WebAssembly !== 'object') {
    throw unavailable('there is no WebAssembly here (an old browser, or one in lockdown mode)');
  }
  try {
    initSync({ module: await compile() });
    return { Manager };
  } catch (error) {
    if (error instanceof LockError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw unavailable(
      `WebAssembly could not be compiled; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval' (${message})`,
      error,
    );
  }
}
