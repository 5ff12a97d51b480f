// Cloudflare's workerd, with what Wrangler's bundler makes of the package: it takes the entry `workerd`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execute, memoryOnly, project, tool } from './support.mjs';

test('workerd: memory locks, and the WebAssembly as a module', { timeout: 300_000 }, async () => {
  const folder = await project('workerd');
  await tool(folder, 'wrangler', 'deploy', '--dry-run', '--outdir', 'dist');
  const answer = JSON.parse(await execute(folder, process.execPath, ['serve.js']));
  assert.deepEqual(answer, { inlined: memoryOnly, byUrl: memoryOnly });
});
