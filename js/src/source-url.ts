import { unavailable, type LockError } from './errors.js';

/** @internal The crate, compiled from the file beside this module. */
export async function compile(): Promise<WebAssembly.Module> {
  // Bundlers recognise this expression: they copy the file and put in its new address.
  const url = new URL('./crosslock_bg.wasm', import.meta.url);
  const bytes = await readLocal(url);
  if (bytes) return WebAssembly.compile(bytes);

  const response = await fetch(url).catch((error) => {
    throw notLoaded(url, `${error.message}; if the page has a Content-Security-Policy, its connect-src must allow it`, error);
  });
  if (!response.ok) throw notLoaded(url, `the server answered ${response.status}`);
  // Only this type can be compiled while it arrives. Not every server sends it.
  const isTyped = /^application\/wasm$/i.test(response.headers.get('Content-Type') ?? '');
  return isTyped ? WebAssembly.compileStreaming(response) : compileWhole(url, await response.arrayBuffer());
}

/** Node cannot fetch a file. Its module is looked up at run time, because bundlers for browsers fail at an import. */
async function readLocal(url: URL): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: 'node:fs/promises'): FileSystem | undefined } };
  if (url.protocol !== 'file:') return undefined;
  return process
    ?.getBuiltinModule?.('node:fs/promises')
    ?.readFile(url)
    .catch((error: Error) => {
      throw notLoaded(url, error.message, error);
    });
}

interface FileSystem {
  readFile(url: URL): Promise<Uint8Array<ArrayBuffer>>;
}

/** A server may send its start page, with status 200, for a file that it does not have. */
async function compileWhole(url: URL, bytes: ArrayBuffer): Promise<WebAssembly.Module> {
  const magic = String.fromCharCode(...new Uint8Array(bytes.slice(0, 4)));
  if (magic !== '\0asm') throw notLoaded(url, 'the server did not send WebAssembly');
  return WebAssembly.compile(bytes);
}

function notLoaded(url: URL, why: string, cause?: unknown): LockError {
  return unavailable(`${url} could not be loaded: ${why}`, cause);
}
