import * as bindings from '#wasm-glue';
import encoded from '#wasm-inline';
import { decode } from './decode.js';
import { LockError } from './errors.js';

/** @internal */
export type Bindings = typeof bindings;

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
    // A page that was short of memory may try again.
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
    const bytes = decode(encoded);
    // Not by the `init` of the bindings, which looks for a file beside the script.
    bindings.initSync({ module: await WebAssembly.compile(bytes) });
    return bindings;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw unavailable(
      `WebAssembly could not be compiled; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval' (${message})`,
      error,
    );
  }
}

function unavailable(reason: string, cause?: unknown): LockError {
  return new LockError('UNAVAILABLE', `locks are unavailable: ${reason}`, cause === undefined ? {} : { cause });
}
