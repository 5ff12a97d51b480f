// @vitest-environment jsdom

import * as crosslock from 'crosslock';
import { expect, test } from 'vitest';
import { scenario } from './scenario.js';

test('in jsdom, which has no Web Locks', async () => {
  expect(document.defaultView).toBe(window);
  expect(await scenario(crosslock)).toEqual({
    memory: 'exclusive',
    web: 'UNAVAILABLE',
    platform: 'UNAVAILABLE',
    badKey: 'INVALID_KEY',
  });
  await expect(crosslock.platformDefault()).rejects.toThrow('jsdom hides it');
});
