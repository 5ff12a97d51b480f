// The recipes that are in TypeScript, taken from their pages, in real tabs. (Those in Rust are run by `cargo test --doc`.)

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bin, root } from '../../tools/run.mjs';
import { browserTests } from '../tabs/support.mjs';
import { run } from '../types/support.mjs';
import { blocks, bundle, read } from './recipes.mjs';

const folder = mkdtempSync(join(tmpdir(), 'crosslock-recipes-'));
after(() => rmSync(folder, { recursive: true }));

const { tab, answer } = browserTests();

/** Serves a script to the tabs. */
const serve = (path, text) => answer(path, (_, response) => response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(text));

describe('recipes', { timeout: 120_000 }, () => {
  for (const file of readdirSync(join(root, 'docs/recipes'))) {
    test(`${file} is a page of at most 80 lines`, () => {
      assert.ok(read(file.replace('.md', '')).split('\n').length <= 81);
    });
  }

  test('what is in TypeScript compiles strictly', () => {
    const [leader, sync] = blocks('leader-among-tabs', 'ts');
    const [hook, component] = blocks('react', 'tsx');
    const files = { 'leader.ts': leader, 'sync.ts': sync, 'in-charge.tsx': hook, 'component.tsx': component };
    const project = join(folder, 'types');
    // What is found from there is what applications have installed.
    const compilerOptions = {
      ...{ strict: true, noEmit: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx' },
      ...{ lib: ['es2023', 'dom'], types: [], skipLibCheck: true, exactOptionalPropertyTypes: false },
      paths: { crosslock: [join(root, 'pkg/node.d.ts')], 'react*': [join(root, 'node_modules/@types/react*')] },
    };
    return bundle(project, files, 'leader.ts').then(() => {
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.tsx'] }));
      run(bin('tsc'), ['--project', project]);
    });
  });

  test('a leader is followed by the next tab, when it is closed, is stolen from, or leaves', async () => {
    const [leader] = blocks('leader-among-tabs', 'ts');
    serve('/leader.js', await bundle(join(folder, 'leader'), { 'leader.ts': leader }, 'leader.ts'));
    const tabs = [];
    for (let n = 0; n < 3; n++) {
      const page = await tab();
      await page.evaluate(async () => {
        const { leadAmongTabs } = await import('/leader.js');
        const asked = async () => {
          const { held, pending } = await navigator.locks.query();
          return held.length + pending.length;
        };
        const before = await asked();
        globalThis.leads = false;
        globalThis.leave = await leadAmongTabs('sync', async (signal) => {
          globalThis.leads = true;
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          globalThis.leads = false;
        });
        // The next tab is to stand behind this one.
        while ((await asked()) === before);
      });
      tabs.push(page);
    }
    const leading = async (of) => Promise.all(of.map((page) => page.evaluate(() => globalThis.leads)));
    const leads = (page) => page.waitForFunction(() => globalThis.leads);
    await leads(tabs[0]);
    assert.deepEqual(await leading(tabs), [true, false, false]);

    await tabs[0].close();
    await leads(tabs[1]);
    assert.deepEqual(await leading(tabs.slice(1)), [true, false]);

    // A fourth tab steals, and frees the lock. The victim queues again, behind the third.
    const thief = await tab();
    await thief.evaluate(() => globalThis.locks.request('sync', { steal: true }, async () => {}));
    await leads(tabs[2]);
    await tabs[1].waitForFunction(() => !globalThis.leads);

    await tabs[2].evaluate(() => globalThis.leave());
    await leads(tabs[1]);
    assert.equal(await tabs[2].evaluate(() => globalThis.leads), false);
    await tabs[1].evaluate(() => globalThis.leave());
    assert.deepEqual(await thief.evaluate(async () => (await navigator.locks.query()).held), []);
  });

  test('the hook tells the tab in charge, in Strict Mode and after a loss', async () => {
    const [hook, component] = blocks('react', 'tsx');
    const main = `
      import { StrictMode } from 'react';
      import { createRoot } from 'react-dom/client';
      import { Sync } from './component.js';
      export function show() {
        const root = createRoot(document.body.appendChild(document.createElement('main')));
        root.render(<StrictMode><Sync /></StrictMode>);
        return root;
      }`;
    const files = { 'in-charge.tsx': hook, 'component.tsx': component, 'main.tsx': main };
    serve('/react.js', await bundle(join(folder, 'react'), files, 'main.tsx'));
    const open = async () => {
      const page = await tab();
      await page.evaluate(async () => void (globalThis.shown = (await import('/react.js')).show()));
      return page;
    };
    const says = (page, text) => page.waitForFunction((text) => document.querySelector('[role=status]')?.textContent === text, text);
    const first = await open();
    await says(first, 'This tab syncs.');
    const second = await open();
    await says(second, 'Another tab syncs.');
    // Strict Mode's first request has left the queue.
    const queued = async () => (await first.evaluate(() => navigator.locks.query())).pending.length;
    while ((await queued()) !== 1);

    const thief = await tab();
    await thief.evaluate(() => globalThis.locks.request('sync', { steal: true }, async () => {}));
    await says(second, 'This tab syncs.');
    await says(first, 'Another tab syncs.');
    await second.evaluate(() => globalThis.shown.unmount());
    await says(first, 'This tab syncs.');
    await first.evaluate(() => globalThis.shown.unmount());
    await second.waitForFunction(async () => (await navigator.locks.query()).held.length === 0);
  });
});
