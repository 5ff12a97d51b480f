// What a bundler makes of the package without any configuration, opened in Chromium.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { everywhere, project, resultOf, serve, startTool, tool } from './support.mjs';

describe('bundlers', { timeout: 600_000 }, () => {
  const withWorker = { page: everywhere, worker: everywhere };

  test('Vite, build', async (t) => {
    const folder = await project('vite');
    await tool(folder, 'vite', 'build');
    assert.deepEqual(await resultOf(t, await serve(t, join(folder, 'dist'))), withWorker);
  });

  test('Vite, dev server', async (t) => {
    const address = await startTool(t, await project('vite'), 'vite', '--port', '0');
    assert.deepEqual(await resultOf(t, address), withWorker);
  });

  for (const mode of ['production', 'development']) {
    test(`webpack, ${mode}`, async (t) => {
      const folder = await project('webpack');
      await tool(folder, 'webpack', '--mode', mode);
      assert.deepEqual(await resultOf(t, await serve(t, folder)), withWorker);
    });
  }

  test('Rollup', async (t) => {
    const folder = await project('rollup');
    await tool(folder, 'rollup', 'main.js', '--plugin', 'node-resolve', '--file', 'dist/main.js');
    assert.deepEqual(await resultOf(t, await serve(t, folder)), everywhere);
  });

  test('esbuild', async (t) => {
    const folder = await project('esbuild');
    await tool(folder, 'esbuild', 'main.js', '--bundle', '--outfile=dist/main.js');
    assert.deepEqual(await resultOf(t, await serve(t, folder)), everywhere);
  });
});
