// Locks under the names that an application has shipped before it came to crosslock.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { platformDefault, WebLockManager } from '../../pkg/index.js';
import { deferred, hasWebLocks, rejection } from './support.mjs';

const make = (prefix) => new WebLockManager({ prefix });

test('a prefix is refused where it could meet a namespace, or the browser would refuse it', async () => {
  for (const prefix of ['crosslock:', 'crosslock::k', 'crosslock:wallet:', '-', '-bark.']) {
    const error = await rejection(make(prefix).tryLock('k'));
    assert.equal(error.code, 'INVALID_NAMESPACE', prefix);
    assert.match(error.message, /a prefix must not begin with/);
  }
  assert.throws(() => make(42), { name: 'TypeError', message: /prefix must be a string/ });
  assert.throws(() => new WebLockManager({ prefix: 'a.', namespace: 'a' }), { name: 'TypeError', message: /not both/ });
});

test('old tabs and new ones exclude each other', { skip: !hasWebLocks, timeout: 60_000 }, async () => {
  const locks = await platformDefault({ prefix: 'bark.01abcdef.' });
  // As an old tab does it.
  const { promise: end, resolve: release } = deferred();
  const granted = deferred();
  const old = navigator.locks.request('bark.01abcdef.send', async () => (granted.resolve(), end));
  await granted.promise;
  assert.equal(await locks.tryLock('send'), null);
  const wait = locks.lock('send', { timeout: Infinity });
  release();
  await old;
  const guard = await wait;
  assert.equal(guard.key, 'send');
  assert.equal(await navigator.locks.request('bark.01abcdef.send', { ifAvailable: true }, (lock) => lock), null);
  const seen = await locks.query();
  assert.deepEqual(
    seen.held.map(({ key }) => key),
    ['send'],
  );
  await guard.release();
});

test('what no key can be is nobody of ours', { skip: !hasWebLocks, timeout: 60_000 }, async () => {
  const everything = make('');
  const wallet = make('prefix-test.');
  const guard = await wallet.lock('k', { timeout: 0 });
  await navigator.locks.request('prefix-test.not a key', async () => {
    assert.deepEqual(
      (await wallet.query()).held.map(({ key }) => key),
      ['k'],
    );
    const keys = (await everything.query()).held.map(({ key }) => key);
    assert.deepEqual(
      keys.filter((key) => key.startsWith('prefix-test')),
      ['prefix-test.k'],
    );
  });
  await guard.release();
});
