// Promises that throw and call back at once, under the calls into the crate: one call may be lost by
// that, never the lock, nor the module.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasWebLocks, runNode } from './support.mjs';

const ok = { code: 0, stdout: 'done\n', stderr: '' };

/** `hostile(settle, call)`: runs `call` where the two functions of every new promise are what \`settle\` makes of them. */
const prelude = `
  import assert from 'node:assert/strict';
  import * as crosslock from 'crosslock';
  const RealPromise = Promise;
  async function hostile(settle, call) {
    globalThis.Promise = class extends RealPromise {
      static get [Symbol.species]() { return RealPromise; }
      constructor(executor) {
        super((resolve, reject) => executor(settle(resolve), settle(reject)));
      }
    };
    try {
      void RealPromise.resolve(call()).catch(() => {});
      await new RealPromise((resolve) => setTimeout(resolve, 50));
    } finally {
      globalThis.Promise = RealPromise;
    }
  }
  const thrower = (settle) => (value) => { settle(value); throw new Error('hostile'); };
  const mute = () => () => { throw new Error('hostile'); };
`;

describe('hostile promises', { timeout: 120_000 }, () => {
  for (const name of ['MemoryLockManager', ...(hasWebLocks ? ['WebLockManager'] : [])]) {
    const calls = {
      'lock()': "locks.lock('k', { timeout: 1000 })",
      'lock() with a signal': "locks.lock('k', { timeout: 1000, signal: new AbortController().signal })",
      'tryLock()': "locks.tryLock('k')",
      'lockMany()': "locks.lockMany(['k', 'l'], { timeout: 1000 })",
      'query()': 'locks.query()',
      'a bad key': "locks.tryLock('_')",
    };
    // Web Locks take promises of their own for what waits, and an abort that is then nobody's shows as an
    // unhandled rejection: theirs to try, where the platform's functions are.
    const isOurs = (what) => name === 'MemoryLockManager' || !what.startsWith('lock');
    for (const [what, call] of Object.entries(calls).filter(([what]) => isOurs(what))) {
      test(`${name}: ${what} whose answer throws leaves no lock behind`, async () => {
        const source = `${prelude}
          const locks = new crosslock.${name}();
          await locks.query(); // loaded
          // The platform's own locks are released by a promise, too: one that never settles keeps them.
          const answers = [];
          ${name === 'WebLockManager' ? '' : `await hostile(mute, () => ${call}.then((answer) => answers.push(answer)));`}
          for (const guard of answers.splice(0).flat()) await guard?.release?.();
          await hostile(thrower, () => ${call}.then((answer) => answers.push(answer)));
          for (const guard of answers.flat()) {
            if (!guard?.release) continue;
            const isExcluded = async () => (await locks.tryLock(guard.key)) === null;
            assert.ok(guard.lost.aborted || (await isExcluded()), 'who was answered has the lock, or is told');
            await guard.release();
          }
          for (const key of ['k', 'l']) await (await locks.lock(key, { timeout: 10_000 })).release();
          console.log('done');
        `;
        assert.deepEqual(await runNode(source), ok);
      });
    }

    test(`${name}: release() and lost whose answers throw`, { skip: !isOurs('lock') && 'as above' }, async () => {
      const source = `${prelude}
        const locks = new crosslock.${name}();
        const guards = [];
        for (const n of [1, 2]) guards.push(await locks.lock('k', { timeout: 0, mode: 'shared' }));
        await hostile(thrower, () => { guards[0].lost; return guards[0].release(); });
        assert.equal(guards[1].lost.aborted, false);
        await hostile(thrower, () => locks.request('k', { steal: true }, () => {}));
        assert.equal(guards[1].lost.aborted, true);
        await guards[1].release();
        await (await locks.lock('k', { timeout: 10_000 })).release();
        console.log('done');
      `;
      assert.deepEqual(await runNode(source), ok);
    });

    test(`${name}: an answer that locks and releases in turn`, async () => {
      const source = `${prelude}
        const locks = new crosslock.${name}();
        const outer = await locks.lock('outer', { timeout: 0 });
        const inner = [];
        let times = 0;
        const reentrant = (settle) => (value) => {
          // Not without end: it is called for what it calls, too.
          if (times++ < 10) {
            inner.push(locks.lock('inner', { timeout: 10_000 }).then((guard) => guard.release()), outer.release());
          }
          settle(value);
        };
        const held = [];
        await hostile(reentrant, async () => held.push(await locks.lock('k', { timeout: 1000 })));
        await RealPromise.all(inner);
        for (const guard of [...held, outer]) await guard.release();
        for (const key of ['outer', 'inner', 'k']) await (await locks.lock(key, { timeout: 10_000 })).release();
        console.log('done');
      `;
      assert.deepEqual(await runNode(source), ok);
    });
  }
});
