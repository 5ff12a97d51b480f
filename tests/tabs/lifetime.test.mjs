// What dies leaves nothing held, and the tab that waits gets the lock. (Tabs themselves are in queue.test.mjs.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserTests, engine, hold, inBrowser, release, untilPending } from './support.mjs';

describe('lifetime', { timeout: 120_000 }, () => {
  const { tab } = browserTests();

  /**
   * Has a worker of the page take the lock; resolves when it holds it. It ends itself when it is told to.
   * Workers differ in where their messages come from.
   */
  const holdInWorker = (page, kind) =>
    page.evaluate(async (kind) => {
      const source = `
        import { WebLockManager } from '${location.origin}/crosslock/index.js';
        const serve = async (port) => {
          port.onmessage = () => self.close();
          globalThis.guard = await new WebLockManager().lock('k', { timeout: 30_000 });
          port.postMessage('held');
        };
        if (globalThis.SharedWorkerGlobalScope) onconnect = ({ ports: [port] }) => serve(port);
        else serve(globalThis);
      `;
      const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      globalThis.worker = kind === 'shared' ? new SharedWorker(url, { type: 'module' }) : new Worker(url, { type: 'module' });
      globalThis.port = worker.port ?? worker;
      await new Promise((resolve, reject) => {
        worker.onerror = () => reject(new Error('the worker failed'));
        port.onmessage = resolve;
      });
    }, kind);

  const goElsewhere = (page) => page.goto('about:blank');

  /** As the documentation says. */
  const endWorkerAndGo = async (page) => {
    await page.evaluate(() => addEventListener('pagehide', () => worker.terminate()));
    await goElsewhere(page);
  };

  for (const [how, kind, end] of [
    ['a dedicated worker that is terminated', 'dedicated', (page) => page.evaluate(() => worker.terminate())],
    ['a dedicated worker that closes itself', 'dedicated', (page) => page.evaluate(() => port.postMessage('close'))],
    ['a dedicated worker whose tab is closed', 'dedicated', (page) => page.close()],
    ['a dedicated worker that its tab ends when it goes elsewhere', 'dedicated', endWorkerAndGo],
    ['a shared worker that closes itself', 'shared', (page) => page.evaluate(() => port.postMessage('close'))],
    ['a shared worker whose last tab is closed', 'shared', (page) => page.close()],
    ['a shared worker whose last tab goes elsewhere', 'shared', goElsewhere],
  ]) {
    // WebKit keeps a page whose worker holds locks in the back/forward cache, and its worker with it.
    const skip = engine === 'webkit' && end === goElsewhere && 'its locks stay held in WebKit';
    test(`${how} leaves nothing held`, { skip }, async () => {
      const [owner, waiter] = [await tab(), await tab()];
      await holdInWorker(owner, kind);
      const granted = hold(waiter, 'k');
      await untilPending(waiter, 'k', 1);
      await end(owner);
      await granted;
      await release(waiter);
      assert.deepEqual(await inBrowser(waiter, 'k'), { held: 0, pending: 0 });
    });
  }

  test('a frame that is removed leaves nothing held', async () => {
    const [owner, waiter] = [await tab(), await tab()];
    await owner.evaluate(async () => {
      const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), { src: '/other' }));
      await new Promise((resolve) => (frame.onload = resolve));
      const script = frame.contentDocument.createElement('script');
      script.type = 'module';
      script.textContent = `
        import { WebLockManager } from '/crosslock/index.js';
        globalThis.guard = await new WebLockManager().lock('k', { timeout: 0 });
        parent.dispatchEvent(new Event('held'));
      `;
      const held = new Promise((resolve) => addEventListener('held', resolve));
      frame.contentDocument.body.append(script);
      await held;
    });
    const granted = hold(waiter, 'k');
    await untilPending(waiter, 'k', 1);
    await owner.evaluate(() => document.querySelector('iframe').remove());
    await granted;
    await release(waiter);
    assert.deepEqual(await inBrowser(waiter, 'k'), { held: 0, pending: 0 });
  });
});
