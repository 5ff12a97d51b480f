// The client of this thread: in the place of `../wasm.ts`, with the same exports.

import encoded from '#wasm-inline';
import { Client } from '../client.js';
import { instantiate } from '../core.js';
import { decode } from '../decode.js';
import { unavailable } from '../errors.js';
import { read } from '../host.js';
import { isClient, ofThisRealm } from '../realm.js';
import { NodeClient, type Web } from './client.js';
import { beforeTimers } from './clock.js';
import { addon } from './loader.js';

/** @internal Nothing is loaded before it is used. */
export const client = new NodeClient(addon, loadWasm);
beforeTimers(() => client.look());

/** @internal Both halves are loaded within the call, so nobody ever awaits it. */
export const clientAtOnce = (): NodeClient => client;

/** @internal */
export async function whenLoaded<T>(use: (client: NodeClient) => T | Promise<T>): Promise<T> {
  return use(client);
}

/** Where the copies of this entry in one thread find the client of each other. */
const name = Symbol.for(`crosslock/${CROSSLOCK_VERSION}/node`);

/**
 * The WebAssembly, compiled within the call. All copies of this version in a thread share it, and with it the
 * locks in memory that it has where there is no addon.
 */
function loadWasm(): Web {
  const global = globalThis as { [name]?: unknown };
  const found = read(() => global[name]);
  if (isClient(found)) return { client: found, isShared: true };
  if (typeof WebAssembly !== 'object') throw unavailable('there is no WebAssembly here, which Web Locks need');
  let made: Client;
  try {
    made = new Client(instantiate(new WebAssembly.Module(decode(encoded))));
  } catch (error) {
    throw unavailable(`WebAssembly could not be compiled (${error instanceof Error ? error.message : String(error)})`, error);
  }
  const realm = ofThisRealm();
  // A copy of the entry for pages has another one, which it may still be loading.
  if (realm.loading) return { client: made, isShared: false };
  const isShared = read(() => Boolean(Object.defineProperty(global, name, { value: made }))) === true;
  if (isShared) realm.loading = Promise.resolve(made);
  return { client: made, isShared };
}
