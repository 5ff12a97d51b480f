// Every Node that is supported, from the last to the oldest.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { node } from '../../tools/setup.mjs';
import { byAddon, everywhere, execute, project } from './support.mjs';

describe('Node', { timeout: 600_000 }, () => {
  for (const [major, expected] of [
    [20, byAddon],
    [22, byAddon],
    [24, everywhere],
    [26, everywhere],
  ]) {
    const printed = async (script, ...flags) => JSON.parse(await execute(await project('node'), await node(major), [...flags, script]));

    test(`Node ${major}: import`, async () => assert.deepEqual(await printed('import.js'), expected));

    test(`Node ${major}: require`, async () => assert.deepEqual(await printed('require.cjs'), expected));

    test(`Node ${major}: threads share locks in memory, and Web Locks`, async () => {
      const excluded = expected === everywhere ? [true, true] : [true];
      assert.deepEqual(await printed('threads.js'), { main: expected, thread: expected, excluded });
    });

    test(`Node ${major}: import and require are one keyspace, and a datadir is locked`, async () => {
      assert.deepEqual(await printed('native.cjs'), {
        scopes: ['process', 'process', 'process', 'datadir'],
        excluded: true,
        second: 'ALREADY_HELD',
      });
    });

    const missing = /native half of crosslock could not be loaded; install the package @crosslock\/[a-z0-9-]+/;

    test(`Node ${major}: --no-addons`, async () => {
      const { scopes, failures } = await printed('missing.js', '--no-addons');
      assert.deepEqual(scopes, ['thread', 'thread']);
      for (const { code, message } of failures) {
        assert.equal(code, 'UNAVAILABLE');
        assert.match(message, missing);
        assert.match(message, /addons.* disabled/i);
      }
    });

    test(`Node ${major}: without the package of the platform`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'crosslock-missing-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      cpSync(await project('node'), folder, { recursive: true });
      rmSync(join(folder, 'node_modules/@crosslock'), { recursive: true });
      const { scopes, failures, exclusive } = JSON.parse(await execute(folder, await node(major), ['missing.js']));
      assert.deepEqual(scopes, ['thread', 'thread']);
      assert.equal(exclusive, true);
      for (const { code, message } of failures) {
        assert.equal(code, 'UNAVAILABLE');
        assert.match(message, missing);
      }
    });
  }
});
