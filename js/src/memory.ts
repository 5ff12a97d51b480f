import { ofThisRealm } from './realm.js';
import { LockManager, type LockManagerOptions, type LockScope, type sealed } from './manager.js';

/**
 * Named locks in memory: they exclude the tasks of one page, one worker or one Node thread, and
 * nobody else. Other tabs, workers and threads have locks of their own; for those there is
 * {@link WebLockManager}.
 *
 * Every instance shares one keyspace, so it does not matter how often one is made, nor whether by one
 * copy of this package or by several of one version, such as those that a bundler makes. (Copies of
 * different versions have keyspaces of their own.)
 */
export class MemoryLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  override readonly scope: LockScope = 'process';

  constructor(options: LockManagerOptions = {}) {
    super({ clientId }, options);
  }
}

/** Every instance of this page, worker or thread is one client, as with `navigator.locks`. */
function clientId(): string {
  // Not by `randomUUID`, which insecure pages do not have. It is to be told apart by people, no more.
  return (ofThisRealm().clientId ??= `memory-${Math.random().toString(36).slice(2)}`);
}
