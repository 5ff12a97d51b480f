// The file itself, which Cloudflare's workerd compiles as it loads the worker: it forbids to compile bytes.
import module from './crosslock_bg.wasm';

/** @internal The crate, compiled by the platform. */
export async function compile(): Promise<WebAssembly.Module> {
  return module;
}
