// Next.js with Turbopack, which is its default.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { everywhere, execute, ofAServer, project, resultOf, startTool, tool } from './support.mjs';

describe('Next.js', { timeout: 600_000 }, () => {
  async function assertWorks(t, address) {
    assert.deepEqual(await resultOf(t, address), { server: everywhere, client: everywhere, fromUrl: everywhere });
    assert.deepEqual(await (await fetch(`${address}/api`)).json(), everywhere);
    assert.deepEqual(await (await fetch(`${address}/api/native`)).json(), ofAServer);
    await assertOneKeyspace(address);
  }

  /** A lock in memory that one layer of the server holds excludes the others, which have copies of the package. */
  async function assertOneKeyspace(address) {
    const text = async (path) => (await fetch(`${address}${path}`)).text();
    const layers = async () => ({
      routeHandler: JSON.parse(await text('/api/keyspace')),
      serverComponent: (await text('/keyspace')).match(/server component: (\w+)/)[1],
      pagesApi: JSON.parse(await text('/api/keyspace-of-pages')),
    });
    const all = (answer) => ({ routeHandler: answer, serverComponent: answer, pagesApi: answer });
    for (const holder of ['/api/keyspace', '/api/keyspace-of-pages']) {
      await text(`${holder}?action=hold`);
      assert.deepEqual(await layers(), all('excluded'), holder);
      await text(`${holder}?action=release`);
      assert.deepEqual(await layers(), all('free'), holder);
    }
  }

  test('build: server component, client component and route handler', async (t) => {
    const folder = await project('next');
    await tool(folder, 'next', 'build');
    await assertWorks(t, await startTool(t, folder, 'next', 'start', '--port', '0'));
  });

  test('build, with the package left out of the bundles of the server', async (t) => {
    const folder = await project('next');
    const variables = { EXTERNAL: 'crosslock' };
    await execute(folder, join(folder, 'node_modules/.bin/next'), ['build'], variables);
    await assertWorks(t, await startTool(t, folder, 'next', 'start', '--port', '0', variables));
  });

  test('dev server: the same', async (t) => {
    await assertWorks(t, await startTool(t, await project('next'), 'next', 'dev', '--port', '0'));
  });
});
