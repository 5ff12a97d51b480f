// Tests of applications: the project's own, by Jest, which knows two kinds of modules.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execute, project } from './support.mjs';

describe('Jest, in Node and in jsdom', { timeout: 300_000 }, () => {
  async function outcome(config, ...flags) {
    const folder = await project('jest');
    const args = [...flags, join(folder, 'node_modules/jest/bin/jest.js'), '--json', '--config', config];
    const { numPassedTests: passed, numTotalTests: total } = JSON.parse(await execute(folder, process.execPath, args));
    return { passed, total };
  }

  test('CommonJS, to which Babel turns the package', async () => {
    assert.deepEqual(await outcome('commonjs.config.json'), { passed: 4, total: 4 });
  });

  test('ES modules, as they are', async () => {
    assert.deepEqual(await outcome('modules.config.json', '--experimental-vm-modules'), { passed: 3, total: 3 });
  });
});
