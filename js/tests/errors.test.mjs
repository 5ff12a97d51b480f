// What is left of a LockError beyond its realm.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { LockError, MemoryLockManager } from '../../pkg/index.js';
import * as otherEntry from '../../pkg/wasm-url.js';
import { freshKey, packageUrl, rejection } from './support.mjs';

async function timedOut() {
  const key = freshKey();
  const locks = new MemoryLockManager();
  const guard = await locks.lock(key, { timeout: 0 });
  const error = await rejection(locks.lock(key, { timeout: 0 }));
  await guard.release();
  return { key, error };
}

const shown = ({ name, code, key, message }) => ({ name, code, key, message });

async function throughChannel(value) {
  const { port1, port2 } = new MessageChannel();
  const received = once(port2, 'message');
  port1.postMessage(value);
  const [data] = await received;
  port1.close();
  return data;
}

test('of an error that is posted as it is, its message is left', async () => {
  const { error } = await timedOut();
  for (const left of [await throughChannel(error), structuredClone(error)]) {
    assert.ok(left instanceof Error);
    assert.deepEqual([left.name, left.message, left.code, left.key], ['Error', error.message, undefined, undefined]);
    assert.equal(LockError.from(left), undefined);
  }
});

test('toJSON() and from() take all of it through a message, and through JSON', async () => {
  const { error, key } = await timedOut();
  for (const data of [await throughChannel(error.toJSON()), structuredClone(error.toJSON()), JSON.parse(JSON.stringify(error))]) {
    assert.deepEqual(data, { name: 'LockError', code: 'TIMED_OUT', key, message: error.message });
    const revived = LockError.from(data);
    assert.ok(revived instanceof LockError);
    assert.deepEqual(shown(revived), shown(error));
  }
});

test('they keep who has a datadir, and what is known of a cause', async () => {
  const cause = Object.assign(new Error('no space'), { code: 'ENOSPC', path: '/private', self: () => {} });
  const held = new LockError('ALREADY_HELD', 'held', { pid: 42, datadir: '/home/me/.wallet' });
  const failed = new LockError('IO', 'failed', { cause });
  const causeless = new LockError('IO', 'failed', { cause: undefined });
  const plain = { name: 'LockError', message: 'held', code: 'ALREADY_HELD', pid: 42, datadir: '/home/me/.wallet' };
  const ofCause = { name: 'Error', message: 'no space', code: 'ENOSPC' };
  for (const way of [throughChannel, async (value) => JSON.parse(JSON.stringify(value))]) {
    assert.deepEqual(await way(held.toJSON()), plain);
    const revived = LockError.from(await way(held.toJSON()));
    assert.deepEqual([revived.pid, revived.datadir], [42, '/home/me/.wallet']);
    assert.deepEqual(revived.toJSON(), plain);
    assert.deepEqual(LockError.from(await way(failed.toJSON())).cause, ofCause);
    assert.deepEqual(LockError.from(LockError.from(await way(failed.toJSON())).toJSON()).toJSON().cause, ofCause);
    for (const error of [held, causeless]) assert.equal('cause' in LockError.from(await way(error.toJSON())), false);
  }
  // Of another copy of the package, as it is.
  const foreign = LockError.from(new otherEntry.LockError('ALREADY_HELD', 'held', { pid: 42, datadir: '/home/me/.wallet' }));
  assert.deepEqual(foreign.toJSON(), plain);
  // What was sent by somebody else is not trusted to be of the right kind.
  assert.equal(LockError.from({ ...plain, pid: {} }).pid, undefined);
});

test('an error about no key has none afterwards', async () => {
  const data = new LockError('UNAVAILABLE', 'no locks').toJSON();
  assert.deepEqual(data, { name: 'LockError', code: 'UNAVAILABLE', message: 'no locks' });
  assert.deepEqual(shown(LockError.from(data)), { ...data, key: undefined });
});

test('a worker sends what it caught', async () => {
  const module = `
    import { parentPort } from 'node:worker_threads';
    import { LockError, MemoryLockManager } from ${JSON.stringify(packageUrl)};
    await new MemoryLockManager().tryLock('_').catch((error) => parentPort.postMessage(LockError.from(error)?.toJSON()));
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(module)}`));
  const [data] = await once(worker, 'message');
  const error = LockError.from(data);
  assert.deepEqual([error.code, error.key], ['INVALID_KEY', '_']);
});

test('from() gives this copy its own class, and takes nothing else for a LockError', async () => {
  const { error } = await timedOut();
  assert.equal(LockError.from(error), error);
  const cause = new Error('cause');
  const foreign = new otherEntry.LockError('IO', 'm', { key: 'k', cause });
  assert.ok(!(foreign instanceof LockError));
  const ours = LockError.from(foreign);
  assert.ok(ours instanceof LockError);
  assert.deepEqual([ours.code, ours.key, ours.message, ours.cause], ['IO', 'k', 'm', cause]);
  for (const value of [
    null,
    undefined,
    'LockError',
    42,
    {},
    new Error('x'),
    { name: 'LockError' },
    { name: 'LockError', code: 1, message: 'm' },
  ]) {
    assert.equal(LockError.from(value), undefined);
  }
});
