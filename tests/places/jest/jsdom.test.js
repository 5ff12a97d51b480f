/** @jest-environment jsdom */

import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

test('in jsdom, which has no Web Locks, and no TextDecoder', async () => {
  expect(globalThis.TextDecoder).toBeUndefined();
  expect(await scenario(crosslock)).toEqual({ memory: 'exclusive', web: 'UNAVAILABLE', platform: 'UNAVAILABLE', badKey: 'INVALID_KEY' });
});

test("the reason of jsdom's own AbortController is what is caught", async () => {
  const locks = new crosslock.MemoryLockManager();
  const guard = await locks.lock('k', { timeout: 0 });
  for (const given of [[], [null], [{ code: 'USER_CANCELLED' }]]) {
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [
      locks.lock('k', { timeout: 60_000, signal }),
      locks.lockMany(['k'], { timeout: 60_000, signal }),
      locks.request('k', { signal }, () => {}),
    ];
    const caught = waits.map((wait) =>
      wait.then(
        () => 'not aborted',
        (reason) => reason,
      ),
    );
    controller.abort(...given);
    for (const reason of await Promise.all(caught)) {
      if (given.length) expect(reason).toBe(given[0]);
      else expect(reason.name).toBe('AbortError');
      if ('reason' in signal) expect(reason).toBe(signal.reason);
    }
  }
  await guard.release();
});
