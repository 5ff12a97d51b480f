// Next.js with Turbopack, which is its default.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { everywhere, project, resultOf, startTool, tool } from './support.mjs';

describe('Next.js', { timeout: 600_000 }, () => {
  async function assertWorks(t, address) {
    assert.deepEqual(await resultOf(t, address), { server: everywhere, client: everywhere, fromUrl: everywhere });
    assert.deepEqual(await (await fetch(`${address}/api`)).json(), everywhere);
  }

  test('build: server component, client component and route handler', async (t) => {
    const folder = await project('next');
    await tool(folder, 'next', 'build');
    await assertWorks(t, await startTool(t, folder, 'next', 'start', '--port', '0'));
  });

  test('dev server: the same', async (t) => {
    await assertWorks(t, await startTool(t, await project('next'), 'next', 'dev', '--port', '0'));
  });
});
