import { LockManager, type LockManagerOptions, type LockScope, type sealed } from '../manager.js';
import type { LockSnapshot } from '../snapshot.js';
import { MEMORY } from './addon.js';
import { snapshotOf } from './names.js';
import { client } from './wasm.js';

/**
 * Named locks in memory. In Node, Bun, Deno and Electron's main process they exclude the tasks of all threads
 * of the process, by the native half of this package; in a browser those of one page or one worker. Nobody else
 * is excluded: other tabs and other processes have locks of their own. For those there are
 * {@link WebLockManager} and {@link FcntlPidLockManager}.
 *
 * Every instance shares one keyspace, so it does not matter how often one is made, nor whether by one copy of
 * this package or by several of one version, such as those that a bundler makes.
 *
 * A thread that ends, in whichever way, frees what it held and withdraws what it waited for.
 *
 * Where the native half is missing, the locks reach one thread, and {@link MemoryLockManager.scope} says
 * `'thread'`. {@link platformDefault} fails there.
 */
export class MemoryLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  constructor(options: LockManagerOptions = {}) {
    super({ isAnswered: true, clientId: () => client.id }, options);
  }

  override get scope(): LockScope {
    return client.isConnected ? 'process' : 'thread';
  }

  override async query(): Promise<LockSnapshot> {
    return client.isConnected ? snapshotOf(client.addon.list(MEMORY)) : super.query();
  }
}
