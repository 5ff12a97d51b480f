// What a bundler makes of the package without any configuration, opened in Chromium.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { everywhere, project, resultOf, serve, startTool, tool } from './support.mjs';

describe('bundlers', { timeout: 600_000 }, () => {
  const withWorker = { page: everywhere, fromUrl: everywhere, worker: everywhere };

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

  for (const { name, options, byUrl } of [
    { name: 'rollup', options: ['--plugin', 'node-resolve', '--file', 'dist/main.js'], byUrl: [] },
    // Only a module knows its own address.
    { name: 'esbuild', options: ['--bundle', '--outfile=dist/main.js'], byUrl: ['--format=esm'] },
  ]) {
    test(name, async (t) => {
      const folder = await project(name);
      await tool(folder, name, 'main.js', ...options);
      assert.deepEqual(await resultOf(t, await serve(t, folder)), everywhere);
    });

    test(`${name}, by URL, with the file copied`, async (t) => {
      const folder = await project(name);
      await tool(folder, name, 'by-url.js', ...options, ...byUrl);
      copyFileSync(join(folder, 'node_modules/crosslock/crosslock_bg.wasm'), join(folder, 'dist/crosslock_bg.wasm'));
      assert.deepEqual(await resultOf(t, await serve(t, folder)), everywhere);
    });
  }
});
