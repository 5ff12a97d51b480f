// Tests of applications: the project's own, by Vitest, in Node and in jsdom.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { project, tool } from './support.mjs';

test('Vitest, in Node and in jsdom', { timeout: 300_000 }, async () => {
  assert.match(await tool(await project('vitest'), 'vitest', 'run'), /Tests +2 passed \(2\)/);
});
