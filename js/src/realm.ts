// What all copies of one version of this package share within a realm: one client of one module, and with it
// one keyspace in memory. Bundlers, `jest.resetModules()`, and `import` beside `require` of two installations
// make several copies, which the application does not know of.

import type { Client } from './client.js';

/** @internal What is shared in a realm. */
export interface Realm {
  /** The client, while it loads and afterwards. */
  loading: Promise<Client> | undefined;
  /** How many callers await it. Whoever calls meanwhile comes after them. */
  awaiting: number;
  /** Names this page, worker or thread in `query()` of its memory locks. */
  clientId: string | undefined;
}

const name = Symbol.for(`crosslock/${CROSSLOCK_VERSION}`);

let realm: Realm | undefined;

/**
 * The state of this realm. It is made at the first use, so that an import changes nothing. If the global object
 * takes no new properties, or something else is there, this copy has a state of its own.
 *
 * @internal
 */
export function ofThisRealm(): Realm {
  return (realm ??= find() ?? { loading: undefined, awaiting: 0, clientId: undefined });
}

/** @internal Gives this copy a state of its own, because that of the realm is of no use. */
export function onItsOwn(): Realm {
  return (realm = { loading: undefined, awaiting: 0, clientId: undefined });
}

function find(): Realm | undefined {
  try {
    const global = globalThis as { [name]?: unknown };
    if (!(name in global)) {
      const value: Realm = { loading: undefined, awaiting: 0, clientId: undefined };
      Object.defineProperty(global, name, { value: Object.seal(value) });
    }
    const found = global[name] as Realm;
    return Number.isInteger(found.awaiting) && !Object.isFrozen(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** @internal Whether `loaded` is a client with all methods that this version calls. */
export function isClient(loaded: unknown): loaded is Client {
  const methods: (keyof Client)[] = [
    'ahead',
    'brokenRule',
    'free',
    'holds',
    'labelOf',
    'own',
    'ownQueue',
    'open',
    'reasonOf',
    'remove',
    'request',
    'run',
    'sent',
    'space',
    'state',
    'tryAtOnce',
    'watch',
    'whenFree',
  ];
  return methods.every((name) => typeof (Object(loaded) as Partial<Client>)[name] === 'function');
}
