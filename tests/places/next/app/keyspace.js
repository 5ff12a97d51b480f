// Next.js puts a copy of the package into each of its server's layers.

import { MemoryLockManager } from 'crosslock';

/** Holds the lock until the next call, or says whether somebody else holds it. */
export async function keyspace(action) {
  const locks = new MemoryLockManager();
  if (action === 'hold') held = await locks.lock('next.layers', { timeout: 0 });
  if (action === 'release') await held.release();
  const guard = await locks.tryLock('next.layers');
  await guard?.release();
  return guard === null ? 'excluded' : 'free';
}

let held;
