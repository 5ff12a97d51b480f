// Locks in memory by the addon: what every manager promises, in one thread.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadId } from 'node:worker_threads';
import { MemoryLockManager } from '../../pkg/node.js';
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
  const shown = held.find((request) => request.key === key);
  assert.deepEqual([shown.label, shown.clientId], ['the sync task', `thread-${process.pid}-${threadId}`]);
  const error = await rejection(locks.lock(key, { timeout: 10 }));
  assert.match(error.message, /held by the sync task for \d+ms/);
  await guard.release();
});
