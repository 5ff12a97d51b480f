// Pages and workers that load the package from node_modules as it lies there, and no tool in between.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { everywhere, project, resultOf, serve } from './support.mjs';

describe('browser', { timeout: 300_000 }, () => {
  test('a page, a dedicated, a shared and a service worker exclude each other', async (t) => {
    const address = await serve(t, await project('web'));
    const worker = { ...everywhere, heldByPage: true };
    assert.deepEqual(await resultOf(t, address), {
      page: worker,
      dedicatedWorker: worker,
      sharedWorker: worker,
      serviceWorker: worker,
    });
  });
});
