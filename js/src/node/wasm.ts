// The client of this thread: in the place of `../wasm.ts`, with the same exports.

import { initSync } from '#wasm-glue';
import encoded from '#wasm-inline';
import { Client } from '../client.js';
import { decode } from '../decode.js';
import { unavailable } from '../errors.js';
import { NodeClient } from './client.js';
import { beforeTimers } from './clock.js';
import { addon } from './loader.js';

/** @internal Nothing is loaded before it is used. */
export const client = new NodeClient(addon, loadWasm);
beforeTimers(() => client.look());

/** @internal Both halves are loaded within the call, so nobody ever awaits it. */
export const clientAtOnce = (): NodeClient => client;

/** @internal */
export async function whenLoaded<T>(ask: (client: NodeClient) => T | Promise<T>): Promise<T> {
  return ask(client);
}

function loadWasm(): Client {
  if (typeof WebAssembly !== 'object') throw unavailable('there is no WebAssembly here, which Web Locks need');
  try {
    return new Client(initSync({ module: new WebAssembly.Module(decode(encoded)) }).memory);
  } catch (error) {
    throw unavailable(`WebAssembly could not be compiled (${error instanceof Error ? error.message : String(error)})`, error);
  }
}
