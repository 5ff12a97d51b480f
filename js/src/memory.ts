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
    super({ open: ({ Manager }) => Manager.memory(options.label), client: 'label' }, options);
  }
}
