// The other runtimes that load packages from npm.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { describe, test } from 'node:test';
import { byAddon, everywhere, execute, ofAServer, project, tool } from './support.mjs';

describe('other runtimes', { timeout: 300_000 }, () => {
  /** Runs the project's script by the program in its npm package for this platform, which needs no install script. */
  async function run(name, program, ...args) {
    const folder = await project(name);
    const [path] = globSync(program, { cwd: folder });
    return JSON.parse(await execute(folder, `${folder}/${path}`, [...args, 'main.js']));
  }

  test('Bun, which has no Web Locks, and is called by its name', async () => {
    const { refusal, ...outcome } = await run('bun', 'node_modules/@oven/bun-*/bin/bun');
    assert.deepEqual(outcome, { ...byAddon, native: ofAServer });
    assert.match(refusal, /Bun/);
    assert.doesNotMatch(refusal, /this Node/);
  });

  test('Deno', async () => {
    const { refusal, ...outcome } = await run('deno', 'node_modules/@deno/*/deno', 'run', '--allow-all');
    const expected = refusal === null ? everywhere : byAddon;
    assert.deepEqual(outcome, { ...expected, native: ofAServer });
    if (refusal === null) return;
    assert.match(refusal, /Deno/);
    assert.doesNotMatch(refusal, /this Node/);
  });
});

test('a compartment of SES, after lockdown', { timeout: 300_000 }, async () => {
  const folder = await project('ses');
  await tool(folder, 'esbuild', 'crosslock', '--bundle', '--format=iife', '--global-name=crosslock', '--outfile=bundle.js');
  const { nothing, wasm, timers } = JSON.parse(await execute(folder, process.execPath, ['main.js']));
  assert.match(nothing.message, /no WebAssembly here .*compartment/);
  // Without timers, a lock that must be waited for says what is missing.
  assert.deepEqual(wasm, { isExclusive: true, wait: 'UNAVAILABLE' });
  assert.deepEqual(timers, { isExclusive: true, wait: 'TIMED_OUT' });
});
