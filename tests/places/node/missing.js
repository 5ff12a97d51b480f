// Where the addon cannot be loaded.

import { tmpdir } from 'node:os';
import { FcntlPidLockManager, FlockPidLockManager, MemoryLockManager, platformDefault, SharedDatadirLockManager } from 'crosslock';
const again = await import(`${import.meta.resolve('crosslock')}?again`);

const opened = [
  () => platformDefault(),
  () => platformDefault({ datadir: tmpdir() }),
  () => FcntlPidLockManager.open(tmpdir()),
  () => FlockPidLockManager.open(tmpdir()),
  () => SharedDatadirLockManager.open(tmpdir()),
];
const failures = [];
for (const open of opened)
  failures.push(
    await open().then(
      () => ({}),
      ({ code, message }) => ({ code, message }),
    ),
  );

// Two copies in one thread.
const [one, other] = [new MemoryLockManager(), new again.MemoryLockManager()];
const guard = await one.lock('k', { timeout: 0 });
const exclusive = again !== undefined && (await other.tryLock('k')) === null;
await guard.release();
console.log(JSON.stringify({ scopes: [one.scope, other.scope], failures, exclusive }));
