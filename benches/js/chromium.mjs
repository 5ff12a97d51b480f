// Chromium: pages, workers and tabs, driven from here.

import { createServer } from 'node:http';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { args, locateChromium } from '../../tools/chromium.mjs';
import { root } from '../../tools/run.mjs';
import { site } from '../../tools/site.mjs';
import { contention, handOff } from './contexts.mjs';
import { firstLock } from './first-lock.mjs';
import { endWithin } from './harness.mjs';
import { heading, printContestants, printScenes, progress } from './report.mjs';
import { memoryScenes } from './scenes.mjs';

/** Prints what is measured in Chromium. */
export async function benchChromium({ rounds }) {
  endWithin(10);
  const server = await serve();
  let browser;
  try {
    // Asked now: it may have been installed since this process began.
    const { executablePath } = locateChromium();
    browser = await chromium.launch({ executablePath, args });
    await bench(browser, `http://localhost:${server.address().port}`, rounds);
  } finally {
    await browser?.close();
    server.close();
    server.closeAllConnections();
  }
}

async function bench(browser, origin, rounds) {
  heading(`Chromium ${browser.version().split('.')[0]}`);
  const context = await browser.newContext();
  const tabs = [await openTab(context, origin), await openTab(context, origin)];

  for (const form of Object.keys(memoryScenes({ rounds }))) {
    progress(`in memory: ${form}`);
    printContestants(form, await tabs[0].call('memory', { form, rounds }));
  }
  progress('the first lock');
  const inFreshPage = (source) => evaluateAfresh(browser, origin, source);
  const first = await firstLock((entry) => entries[entry], inFreshPage, { rounds });
  printContestants('from import to first lock', [first]);

  progress('Web Locks in a page and in a worker');
  const workers = [await tabs[0].startWorker(), await tabs[0].startWorker()];
  const options = { operations: 100, rounds };
  const comparisons = [
    ...named(await tabs[0].call('uncontended', options), (title) => `${title}, in a page`),
    ...named(await workers[0].call('uncontended', options), (title) => `${title}, in a worker`),
    ...(await tabs[0].call('queueing', options)),
  ];
  progress('Web Locks among workers and among tabs');
  for (const [what, members] of Object.entries({ workers, tabs })) {
    for (const tasks of [1, 100]) {
      comparisons.push(...(await contention(what, members, { tasks, rounds })));
    }
  }
  comparisons.push(await handOff('tab', tabs, { rounds: 3 * rounds }));
  printScenes('`WebLockManager`', comparisons);
}

const named = (comparisons, name) =>
  comparisons.map(({ title, results }) => ({ title: name(title), results }));

/** A tab, which does what it is told, and whose workers do. */
async function openTab(context, origin) {
  const page = await context.newPage();
  await page.goto(`${origin}/bench/`);
  return {
    ...member(page),
    async startWorker() {
      const started = page.waitForEvent('worker');
      await page.evaluate(
        () =>
          new Promise((resolve, reject) => {
            const worker = new Worker('/bench/page.js', { type: 'module' });
            worker.onmessage = resolve;
            worker.onerror = ({ message }) => reject(new Error(message));
          }),
      );
      const worker = await started;
      return member(worker);
    },
  };
}

const member = (place) => ({
  call: (job, argument) => place.evaluate(([job, argument]) => call(job, argument), [job, argument]),
});

/** In a context of its own, so that nothing is in any cache. */
async function evaluateAfresh(browser, origin, source) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${origin}/bench/empty`);
    return await page.evaluate(source);
  } finally {
    await context.close();
  }
}

/** Where a page imports from. */
const entries = {
  'index.js': '/crosslock/index.js',
  'wasm-url.js': '/crosslock/wasm-url.js',
  'async-mutex': '/bench/async-mutex.js',
};

async function serve() {
  const files = await bundles();
  const rest = site();
  const server = createServer((request, response) => {
    // Isolated pages have clocks of five microseconds instead of a hundred.
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    const file = files[request.url];
    if (!file) return rest(request, response);
    response.writeHead(200, { 'Content-Type': file.type, 'Cache-Control': 'no-store' }).end(file.body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function bundles() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { page: 'benches/js/page.mjs', 'async-mutex': 'async-mutex' },
    outdir: 'bench', // not written
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    logLevel: 'warning',
  });
  const head = '<!doctype html><title>bench</title><link rel="icon" href="data:,">';
  const files = {
    '/bench/': { type: 'text/html', body: `${head}<script type="module" src="page.js"></script>` },
    '/bench/empty': { type: 'text/html', body: head },
  };
  for (const { path, text } of outputFiles) {
    files[`/bench/${basename(path)}`] = { type: 'text/javascript', body: text };
  }
  return files;
}
