import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLockManager } from '../../pkg/index.js';
import { lockManagerContract } from './contract.mjs';
import { requestContract } from './request.mjs';
import { freshKey, rejection } from './support.mjs';

const make = () => new MemoryLockManager();
lockManagerContract('MemoryLockManager', make, { scope: 'process' });
requestContract('MemoryLockManager', make);

test('a label is shown to those who wait behind it', async () => {
  const key = freshKey();
  const guard = await new MemoryLockManager({ label: 'the sync task' }).lock(key, { timeout: 0 });
  const locks = new MemoryLockManager();
  const { held } = await locks.query();
  assert.equal(held.find((request) => request.key === key).label, 'the sync task');
  const error = await rejection(locks.lock(key, { timeout: 10 }));
  assert.match(error.message, /held by the sync task for \d+ms/);
  await guard.release();
});
