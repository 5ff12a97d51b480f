import * as crosslock from 'crosslock';
import { expect, test } from 'vitest';
import { scenario } from './scenario.js';

test('in Node', async () => {
  expect(await scenario(crosslock)).toEqual({
    memory: 'exclusive',
    web: 'exclusive',
    platform: 'exclusive',
    badKey: 'INVALID_KEY',
  });
});
