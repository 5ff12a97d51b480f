import { compile } from '#wasm-source';
import { Client } from './client.js';
import { instantiate } from './core.js';
import { LockError, unavailable } from './errors.js';
import { isClient, ofThisRealm, onItsOwn, type Realm } from './realm.js';

/** @internal The client, once the rules are compiled. There is one before there is a guard. */
export let client: Client;

/**
 * The client, if nobody awaits it. Otherwise those callers would be overtaken.
 *
 * @internal
 */
export function clientAtOnce(): Client | undefined {
  return ofThisRealm().awaiting === 0 ? client : undefined;
}

let ours: Promise<Client> | undefined;

/**
 * Uses the client when the module is compiled. It is loaded at the first call, so that the import of the package
 * does nothing.
 *
 * Callers that wait for it go on in the order of their calls. That is the order in which their requests reach the
 * rules.
 *
 * @internal
 */
export async function whenLoaded<T>(use: (client: Client) => T | Promise<T>): Promise<T> {
  for (;;) {
    const realm = ofThisRealm();
    const loading = (realm.loading ??= ours = load(realm));
    let loaded: unknown;
    realm.awaiting++;
    try {
      loaded = await loading;
    } catch (error) {
      if (loading === ours) throw error;
      // Another copy of the package, which loads it from elsewhere, has failed. This copy may succeed. (A copy that
      // failed removes its attempt.)
      if (realm.loading === loading) onItsOwn();
      continue;
    } finally {
      realm.awaiting--;
    }
    // What is there was not made by a copy of this version.
    if (!isClient(loaded)) onItsOwn();
    else return use((client = loaded));
  }
}

function load(realm: Realm): Promise<Client> {
  const loading = start().catch((error) => {
    // A page that was short of memory, or offline, may try again.
    realm.loading = undefined;
    throw error;
  });
  return loading;
}

async function start(): Promise<Client> {
  if (typeof WebAssembly !== 'object') {
    throw unavailable('there is no WebAssembly here (an old browser, one in lockdown mode, or a compartment that was not given it)');
  }
  try {
    return new Client(instantiate(await compile()));
  } catch (error) {
    if (error instanceof LockError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw unavailable(`WebAssembly could not be compiled; ${advice()} (${message})`, error);
  }
}

function advice(): string {
  const { navigator } = globalThis as { navigator?: { userAgent?: unknown } };
  return navigator?.userAgent === 'Cloudflare-Workers'
    ? 'Cloudflare Workers take it as a module only: bundle with the export condition "workerd", as Wrangler does'
    : "if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval'";
}
