import type { LockInfo } from './snapshot.js';
import { LockManager, type LockManagerOptions, type LockScope } from './manager.js';

/**
 * Named locks in memory: they exclude the tasks of one page, one worker or one Node thread, and
 * nobody else. Other tabs, workers and threads have locks of their own; for those there is
 * {@link WebLockManager}.
 *
 * Every instance shares one keyspace, so it does not matter how often one is made. (Two copies of
 * this package have two.)
 */
export class MemoryLockManager extends LockManager {
  override readonly scope: LockScope = 'process';

  constructor(options: LockManagerOptions = {}) {
    super({ open: (from) => from.memory(options.label), asker }, options);
  }
}

let clientId: string | undefined;

/** Every instance of this page, worker or thread is one client, as with `navigator.locks`. */
function asker(label: string | undefined): Pick<LockInfo, 'clientId' | 'label'> {
  // Not by `randomUUID`, which insecure pages do not have. It is to be told apart by people, no more.
  clientId ??= `memory-${Math.random().toString(36).slice(2)}`;
  return label === undefined ? { clientId } : { clientId, label };
}
