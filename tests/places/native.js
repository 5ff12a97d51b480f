import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a server gets: the reach of its locks in memory, the second opener of a datadir refused, or let in and excluded by key. */
export async function native({ MemoryLockManager, platformDefault, FlockPidLockManager, SharedDatadirLockManager }) {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-place-'));
  const locks = await platformDefault({ datadir: folder });
  const { code } = await FlockPidLockManager.open(folder).catch((error) => error);
  await locks.close();
  const sharers = [await SharedDatadirLockManager.open(folder), await SharedDatadirLockManager.open(folder)];
  const guard = await sharers[0].lock('k', { timeout: 0 });
  const waits = sharers[1].lock('k', { timeout: 30_000 });
  const excluded = (await sharers[1].tryLock('k')) === null;
  await guard.release();
  await (await waits).release();
  for (const sharer of sharers) await sharer.close();
  rmSync(folder, { recursive: true });
  return { scope: new MemoryLockManager().scope, default: (await platformDefault()).scope, datadir: code, shared: excluded };
}
