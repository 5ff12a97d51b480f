// A platform of which some parts are mocked, for the tests of what it may do wrong.

import assert from 'node:assert/strict';
import { hasWebLocks, nothing, requestsFor } from './support.mjs';

export const options = { timeout: 60_000, skip: !hasWebLocks && 'this Node has no Web Locks' };
export const real = globalThis.navigator?.locks;

/** Runs `body` with `value` in place of a global's property. */
export async function replaced(object, name, descriptor, body) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { configurable: true, ...descriptor });
  try {
    return await body();
  } finally {
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  }
}

/** With `navigator.locks`, of which some methods are others. */
export const withLocks = (mocks, body) => {
  const bound = { request: real.request.bind(real), query: real.query.bind(real) };
  return replaced(navigator, 'locks', { value: { ...bound, ...mocks } }, body);
};

/** All that goes wrong is an error of the call at hand, and not the process's. */
const noise = [];
for (const event of ['unhandledRejection', 'uncaughtException']) process.on(event, (error) => noise.push(error));

/** The key is free, for us and for others, and the module works. */
export async function worksFor(locks, key) {
  const guard = await locks.lock(key, { timeout: 5_000 });
  assert.equal(guard.lost.aborted, false);
  assert.equal(await locks.tryLock(key), null);
  await guard.release();
  await (await locks.tryLock(key)).release();
  assert.deepEqual(await requestsFor(locks, key), nothing);
  const { held } = await real.query();
  assert.deepEqual(
    held.filter(({ name }) => name.endsWith(key)),
    [],
  );
  assert.deepEqual(noise.splice(0), []);
}

export const thrower = (message) => () => {
  throw new Error(message);
};
