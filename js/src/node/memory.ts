import { LockManager, type LockManagerOptions, type LockScope, type sealed } from '../manager.js';
import type { LockSnapshot } from '../snapshot.js';
import { MEMORY } from './addon.js';
import { infoOf } from './names.js';
import { client } from './wasm.js';

/**
 * Named locks in memory. They exclude the tasks of all threads of this process, and nobody else.
 *
 * Every instance shares one keyspace, in whichever thread it is, so it does not matter how often one is
 * made. A thread that ends, in whichever way, frees what it held and withdraws what it waited for.
 *
 * The locks are those of the native half of the package. Without it every call fails with `UNAVAILABLE`.
 */
export class MemoryLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  override readonly scope: LockScope = 'process';

  constructor(options: LockManagerOptions = {}) {
    super({ clientId: () => client.id }, options);
  }

  override async query(): Promise<LockSnapshot> {
    const rows = client.addon.list(MEMORY);
    return { held: rows.filter(({ isHeld }) => isHeld).map(infoOf), pending: rows.filter(({ isHeld }) => !isHeld).map(infoOf) };
  }
}
