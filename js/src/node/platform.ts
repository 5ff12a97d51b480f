import type { LockManager } from '../manager.js';
import { platformDefault as ofAPage } from '../platform.js';
import type { WebLockManagerOptions } from '../web.js';
import { type DatadirOptions, FcntlPidLockManager, FlockPidLockManager } from './datadir.js';
import { isPage, type Host } from './host.js';
import { MemoryLockManager } from './memory.js';
import { client } from './wasm.js';

/** Options of {@link platformDefault}: each place takes those that are for it, and ignores the others. */
export interface PlatformOptions extends WebLockManagerOptions, DatadirOptions {
  /** The directory that the locks are for. Browsers have none, and ignore it. */
  datadir?: string | URL | Uint8Array | undefined;
}

/**
 * The lock manager for those who do not want to think about it:
 *
 * - in a browser a {@link WebLockManager} that has been seen to work: all tabs of the origin;
 * - elsewhere with a datadir a {@link FcntlPidLockManager}, or on Windows a {@link FlockPidLockManager}: all
 *   programs on that datadir. It is opened here, and the caller closes it;
 * - elsewhere without one a {@link MemoryLockManager}: all threads of the process.
 *
 * It never falls back to one that excludes less. It is never Node's own `navigator.locks`, which now and then
 * grants one lock to two threads.
 *
 * @throws {@link LockError} `UNAVAILABLE` where there are no such locks: the message names what is missing.
 * In a browser `INVALID_NAMESPACE`; with a datadir as {@link FcntlPidLockManager.open}.
 */
export async function platformDefault(options: PlatformOptions = {}): Promise<LockManager> {
  if (isPage()) return ofAPage(options);
  const { datadir, timeout, lockFile, label, warnAfter } = options;
  if (datadir !== undefined) {
    const isWindows = (globalThis as Host).process?.platform === 'win32';
    const { open } = isWindows ? FlockPidLockManager : FcntlPidLockManager;
    return open(datadir, { timeout, lockFile, label, warnAfter });
  }
  const locks = new MemoryLockManager({ label, warnAfter });
  client.connect();
  return locks;
}
