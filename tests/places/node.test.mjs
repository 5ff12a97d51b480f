// Every Node that is supported, from the last to the oldest.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { node } from '../../tools/setup.mjs';
import { everywhere, execute, memoryOnly, project } from './support.mjs';

describe('Node', { timeout: 600_000 }, () => {
  for (const [major, expected] of [
    [20, memoryOnly],
    [22, memoryOnly],
    [24, everywhere],
    [26, everywhere],
  ]) {
    const printed = async (script) => JSON.parse(await execute(await project('node'), await node(major), [script]));

    test(`Node ${major}: import`, async () => assert.deepEqual(await printed('import.js'), expected));

    test(`Node ${major}: require`, async () => assert.deepEqual(await printed('require.cjs'), expected));

    test(`Node ${major}: threads have memories of their own, and share Web Locks`, async () => {
      const excluded = expected === everywhere ? [false, true] : [false];
      assert.deepEqual(await printed('threads.js'), { main: expected, thread: expected, excluded });
    });
  }
});
