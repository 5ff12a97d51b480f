// What errors say, compared with tests/messages.json, as the tests of the crate do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { MemoryLockManager, WebLockManager } from '../../pkg/index.js';
import { rejection } from './support.mjs';

const cases = JSON.parse(readFileSync(new URL('../../tests/messages.json', import.meta.url), 'utf8'));
const text = (value) => (typeof value === 'string' ? value : value.repeat.repeat(value.times));

test('of keys that break the rules', async () => {
  for (const [key, message] of cases.keys) {
    assert.equal((await rejection(new MemoryLockManager().tryLock(text(key)))).message, message);
  }
});

test('of namespaces and prefixes that break the rules', async () => {
  for (const [namespace, message] of cases.namespaces) {
    assert.equal((await rejection(new WebLockManager({ namespace }).tryLock('k'))).message, message);
  }
  for (const [prefix, message] of cases.prefixes) {
    assert.equal((await rejection(new WebLockManager({ prefix }).tryLock('k'))).message, message);
  }
});

test('of what depends on the world', async () => {
  // Not by the package, where it cannot be brought about as it is wanted.
  const source = fileURLToPath(new URL('../src/messages.ts', import.meta.url));
  const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', write: false, platform: 'neutral' });
  const messages = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  for (const { millis, message, ...contention } of cases.timeouts) {
    const known = Object.keys(contention).length ? contention : undefined;
    assert.equal(messages.timedOut('k', millis, known).message, message);
  }
  const reasons = ['stolen', 'cached', 'ended', 'takenAway', 'failed', 'notCalledBack', 'noLock'];
  const reason = (name) => messages.describeReason(reasons.indexOf(name), 'because');
  for (const [name, message] of cases.lost) assert.equal(messages.lost('k', reason(name)).message, message);
  for (const [name, message] of cases.unavailable) assert.equal(`locks are unavailable: ${reason(name)}`, message);
});
