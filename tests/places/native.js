import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a server gets: the reach of its locks in memory, and the second opener of a datadir refused. */
export async function native({ MemoryLockManager, platformDefault, FlockPidLockManager }) {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-place-'));
  const locks = await platformDefault({ datadir: folder });
  const { code } = await FlockPidLockManager.open(folder).catch((error) => error);
  await locks.close();
  rmSync(folder, { recursive: true });
  return { scope: new MemoryLockManager().scope, default: (await platformDefault()).scope, datadir: code };
}
