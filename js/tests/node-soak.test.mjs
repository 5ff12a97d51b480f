// A short run of the soak; `npm run soak-threads` makes the long one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.mjs';

test('threads that end while they hold and wait leave nothing behind', { timeout: 300_000 }, async () => {
  const { before, after } = await soak(300);
  assert.equal(after.threads, before.threads);
  assert.ok(after.handles <= before.handles + 8, `${before.handles} handles, then ${after.handles}`);
});
