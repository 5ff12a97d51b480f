/** @jest-environment node */

import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

test('in Node', async () => {
  const { memory, badKey } = await scenario(crosslock);
  expect({ memory, badKey }).toEqual({ memory: 'exclusive', badKey: 'INVALID_KEY' });
  expect(new crosslock.MemoryLockManager().scope).toBe('process');
});
