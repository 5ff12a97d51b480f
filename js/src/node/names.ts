// What a request is called in the lock table: the client that made it, and its label if it has one.

import type { LockInfo } from '../snapshot.js';
import type { Row } from './addon.js';

/** No client has it in its name. */
const SEPARATOR = '\0';

/** @internal */
export const named = (client: string, label: string): string => client + SEPARATOR + label;

/** @internal The two parts of what {@link named} gives, or of a client alone. */
export function parts(name: string): { client: string; label: string | undefined } {
  const at = name.indexOf(SEPARATOR);
  return at < 0 ? { client: name, label: undefined } : { client: name.slice(0, at), label: name.slice(at + 1) };
}

/** @internal A row as `query()` shows it. */
export function infoOf({ key, isShared, age, name = '' }: Row): LockInfo {
  const { client, label } = parts(name);
  return { key, name: key, mode: isShared ? 'shared' : 'exclusive', clientId: client, ...(label === undefined ? {} : { label }), age };
}
