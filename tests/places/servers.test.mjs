// What a bundler makes of the package for Node: which entry it takes, and whether that finds the addon.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execute, ofAServer, project, tool } from './support.mjs';

describe('bundled for Node', { timeout: 600_000 }, () => {
  const printed = async (folder, file) => JSON.parse(await execute(folder, process.execPath, [file]));

  for (const format of ['esm', 'cjs']) {
    test(`esbuild, ${format}`, async () => {
      const folder = await project('esbuild');
      const file = `server-${format}.${format === 'cjs' ? 'cjs' : 'mjs'}`;
      // It warns that there is no `import.meta` in CommonJS, which the loader knows.
      const options = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error', `--outfile=${file}`];
      await tool(folder, 'esbuild', 'server.js', ...options);
      assert.deepEqual(await printed(folder, file), ofAServer);
    });
  }

  test('webpack', async () => {
    const folder = await project('webpack');
    await tool(
      folder,
      'webpack',
      '--mode',
      'production',
      '--target',
      'node',
      '--entry',
      './src/server.js',
      '--output-path',
      'server',
      '--output-filename',
      'main.cjs',
    );
    assert.deepEqual(await printed(folder, 'server/main.cjs'), ofAServer);
  });

  test('Vite, for SSR', async () => {
    const folder = await project('vite');
    await tool(folder, 'vite', 'build', '--ssr', 'server.js', '--outDir', 'server');
    assert.deepEqual(await printed(folder, 'server/server.js'), ofAServer);
  });

  test('the entry for pages goes to pages', async () => {
    const folder = await project('esbuild');
    await tool(folder, 'esbuild', 'main.js', '--bundle', '--outfile=page.js');
    const bundle = readFileSync(join(folder, 'page.js'), 'utf8');
    assert.doesNotMatch(bundle, /@crosslock\/|createRequire|getBuiltinModule/);
    const bun = await project('bun');
    const built = await tool(bun, '../@oven/bun-linux-x64/bin/bun', 'build', '--target=browser', 'main.js', '--external', 'node:*');
    assert.doesNotMatch(built, /@crosslock\/|createRequire|getBuiltinModule/);
  });
});
