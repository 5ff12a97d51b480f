// Cloudflare's workerd, by Wrangler, whose bundler takes the package's entry for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryOnly, project, startTool } from './support.mjs';

test('workerd: memory locks, and the WebAssembly as a module', { timeout: 300_000 }, async (t) => {
  const address = await startTool(t, await project('workerd'), 'wrangler', 'dev', '--port', '0', '--inspector-port', '0');
  const response = await fetch(address);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.deepEqual(JSON.parse(text), { inlined: memoryOnly, byUrl: memoryOnly });
});
