// What a request is called in the lock table: the client that made it, and its label if it has one.

import type { LockInfo, LockSnapshot } from '../snapshot.js';
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

/** @internal Rows as `query()` shows them. */
export function snapshotOf(rows: Row[]): LockSnapshot {
  const part = (isHeld: boolean) => rows.filter((row) => row.isHeld === isHeld).map(infoOf);
  return { held: part(true), pending: part(false) };
}

function infoOf({ key, isShared, age, name = '' }: Row): LockInfo {
  const { client, label } = parts(name);
  const known = { ...(label === undefined ? {} : { label }), ...(age === undefined ? {} : { age }) };
  return { key, name: key, mode: isShared ? 'shared' : 'exclusive', clientId: client, ...known };
}
