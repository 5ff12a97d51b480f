import { MemoryLockManager } from 'crosslock';

test('a copy that jest.resetModules() makes has the same locks', async () => {
  const guard = await new MemoryLockManager().lock('k', { timeout: 0 });
  jest.resetModules();
  const copy = require('crosslock');
  expect(copy.MemoryLockManager).not.toBe(MemoryLockManager);
  expect(await new copy.MemoryLockManager().tryLock('k')).toBeNull();
  await guard.release();
});
