import { ofThisRealm } from './realm.js';
import { LockManager, type LockManagerOptions, type LockScope, type sealed } from './manager.js';

/**
 * Named locks in memory. They exclude the tasks of one page, one worker or one Node thread, and nobody
 * else. Other tabs, workers and threads have locks of their own: {@link WebLockManager} reaches those.
 *
 * All instances share one keyspace, so it does not matter how many there are. They also share it if they
 * are of several copies of one version of this package, such as those that a bundler makes. (Copies of
 * different versions have keyspaces of their own.)
 */
export class MemoryLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  override readonly scope: LockScope = 'process';

  constructor(options: LockManagerOptions = {}) {
    super({ isAnswered: true, clientId }, options);
  }
}

/** All instances of this page, worker or thread are one client, as with `navigator.locks`. */
function clientId(): string {
  // Not by `randomUUID`, which insecure pages do not have. The id is only for people to tell clients apart.
  return (ofThisRealm().clientId ??= `memory-${Math.random().toString(36).slice(2)}`);
}
