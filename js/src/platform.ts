import type { LockManager } from './manager.js';
import { WebLockManager, type WebLockManagerOptions } from './web.js';

/**
 * The lock manager for those who do not want to choose: a {@link WebLockManager}, after a check that it
 * works. It never falls back to one that excludes less.
 *
 * @throws {@link LockError} `UNAVAILABLE` where there is no `navigator.locks` or its use is refused,
 * `INVALID_NAMESPACE`.
 */
export async function platformDefault(options: WebLockManagerOptions = {}): Promise<LockManager> {
  const locks = new WebLockManager(options);
  // In an opaque origin the API exists but refuses every use, so only a call shows whether it works.
  await locks.query();
  return locks;
}
