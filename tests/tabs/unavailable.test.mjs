// Where Web Locks do not work, every call fails at once and says why. Nothing hangs, and nothing falls back.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, failure, load } from './support.mjs';

describe('where Web Locks do not work', { timeout: 120_000 }, () => {
  const { tab, frameIn, errors } = browserTests();

  const attempts = [
    "locks.lock('k', { timeout: Infinity })",
    "locks.tryLock('k')",
    "locks.lockMany(['k'], { timeout: Infinity })",
    "locks.request('k', () => {})",
    "locks.request('k', { steal: true }, () => {})",
    'locks.query()',
    'platformDefault()',
  ];

  async function assertUnavailable(page, why) {
    for (const attempt of attempts) {
      const { code, message, milliseconds } = await failure(page, attempt);
      assert.equal(code, 'UNAVAILABLE', attempt);
      assert.match(message, why, attempt);
      assert.ok(milliseconds < 5000, `${attempt} took ${milliseconds} ms`);
    }
  }

  test('a page on localhost has them', async () => {
    const page = await tab();
    assert.equal((await failure(page, 'platformDefault()')).code, 'none');
    assert.equal(await page.evaluate(() => locks.scope), 'origin');
  });

  test('a sandboxed frame has an opaque origin: UNAVAILABLE', async () => {
    const page = await tab('/blank');
    await page.evaluate(
      () =>
        new Promise((resolve) => {
          const frame = Object.assign(document.createElement('iframe'), { src: '/other', onload: resolve });
          frame.setAttribute('sandbox', 'allow-scripts');
          document.body.append(frame);
        }),
    );
    const frame = frameIn(page);
    await load(frame);
    await assertUnavailable(frame, /sandboxed iframe without allow-same-origin/);
    assert.equal(await frame.evaluate(async () => (await new MemoryLockManager().tryLock('k')).key), 'k');
  });

  test('an insecure context: UNAVAILABLE', async () => {
    const page = await tab('/blank', { host: 'insecure.test' });
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await load(page);
    await assertUnavailable(page, /secure contexts only/);
  });

  for (const entry of ['index.js', 'wasm-url.js']) {
    test(`${entry}: a policy without wasm-unsafe-eval: UNAVAILABLE, and the directive is named`, async () => {
      const page = await tab('/no-wasm');
      await load(page, entry);
      const failures = await page.evaluate(() => {
        // Not from text, like those above: the policy forbids eval(), too.
        const attempts = [locks.lock('k', { timeout: Infinity }), new MemoryLockManager().tryLock('k'), platformDefault()];
        return Promise.all(attempts.map((attempt) => attempt.catch(({ code, message }) => ({ code, message }))));
      });
      for (const { code, message } of failures) {
        assert.equal(code, 'UNAVAILABLE');
        assert.match(message, /script-src 'wasm-unsafe-eval'/);
      }
      errors.length = 0; // the browser reports the refusal in the console, too
    });

    test(`${entry}: a policy with wasm-unsafe-eval is enough`, async () => {
      const page = await tab('/wasm');
      await load(page, entry);
      assert.equal(await page.evaluate(async () => (await locks.tryLock('k')).key), 'k');
    });
  }
});
