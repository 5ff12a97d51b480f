// By `require` and by `import`, which may be two copies of the package.

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { FcntlPidLockManager, MemoryLockManager, platformDefault } = require('crosslock');

(async () => {
  const imported = await import('crosslock');
  const datadir = mkdtempSync(join(tmpdir(), 'crosslock-place-'));
  const [here, there] = [new MemoryLockManager(), new imported.MemoryLockManager()];
  const guard = await here.lock('k', { timeout: 0 });
  const excluded = (await there.tryLock('k')) === null;
  await guard.release();
  const locks = await platformDefault({ datadir });
  const { code } = await FcntlPidLockManager.open(datadir).catch((error) => error);
  const scopes = [here, there, await platformDefault(), locks].map(({ scope }) => scope);
  await locks.close();
  rmSync(datadir, { recursive: true });
  console.log(JSON.stringify({ scopes, excluded, second: code }));
})();
