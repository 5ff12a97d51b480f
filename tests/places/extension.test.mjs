// An extension, loaded unpacked from the folder in which the package was installed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { args, executablePath } from '../../tools/chromium.mjs';
import { everywhere, project } from './support.mjs';

test('the service worker of an MV3 extension', { timeout: 300_000 }, async (t) => {
  const folder = await project('extension');
  const context = await chromium.launchPersistentContext('', {
    executablePath,
    args: [...args, `--disable-extensions-except=${folder}`, `--load-extension=${folder}`],
    ignoreDefaultArgs: ['--disable-extensions'],
  });
  t.after(() => context.close());
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'));
  assert.deepEqual(await worker.evaluate(() => globalThis.result), everywhere);
});
