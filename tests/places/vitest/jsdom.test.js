// @vitest-environment jsdom

import * as crosslock from 'crosslock';
import { expect, test } from 'vitest';
import { scenario } from './scenario.js';

test('in jsdom, which has no Web Locks', async () => {
  expect(document.defaultView).toBe(window);
  expect(await scenario(crosslock)).toEqual({
    memory: 'exclusive',
    web: 'UNAVAILABLE',
    platform: 'exclusive',
    badKey: 'INVALID_KEY',
  });
  await expect(new crosslock.WebLockManager().query()).rejects.toThrow('jsdom hides it');
  // The process that pretends to be a browser has the locks of a process.
  expect((await crosslock.platformDefault()).scope).toBe('process');
});
