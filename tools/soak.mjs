// npm run soak [-- --only a,b] [--operations N] [--seed N]: long random use of every backend, checked afterwards against
// the contract (tests/history). `npm test` does the same for some seconds. SOAK.md has the figures of the last runs.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makePackage } from './package.mjs';
import { Problem, every, root, run, say, script } from './run.mjs';
import { chromium, firefox, postgres, rust, webkit } from './setup.mjs';
import { onScreen } from './webkit.mjs';

/** What runs, and how many requests it makes of each backend in it. */
const parts = {
  /** Memory and both locks on a datadir, each in one process. */
  process: { operations: 1_000_000, run: (env) => rustTests('one_process', env) },
  /** A shared datadir, and both others, by processes that are killed: once in 500 requests. */
  processes: { operations: 1_000_000, run: (env) => rustTests('processes', env) },
  /** Sessions are killed once in 200 requests. */
  postgres: {
    operations: 100_000,
    run: async (env) => rustTests('postgres', { ...env, ...(await postgres()) }, ['--features', 'postgres']),
  },
  /** Memory in WebAssembly, and the addon's memory, fcntl and flock, by threads that are terminated. */
  threads: { operations: 1_000_000, run: (env) => nodeTests('tests/history/clients/threads.test.mjs', env) },
  chromium: { operations: 200_000, run: (env) => inTabs(chromium, 'chromium', env) },
  firefox: { operations: 200_000, run: (env) => inTabs(firefox, 'firefox', env) },
  webkit: { operations: 200_000, run: (env) => inTabs(webkit, 'webkit', env, onScreen) },
};

await script(async () => {
  const { only, operations, seed } = choose();
  const soak = (name) => async () => {
    const count = operations ?? parts[name].operations;
    say(`${count} requests of each backend, with the seed ${seed}`);
    const start = performance.now();
    await rust();
    try {
      await parts[name].run({ CROSSLOCK_OPERATIONS: `${count}`, CROSSLOCK_SEED: seed });
    } finally {
      say(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
    }
  };
  await every(Object.fromEntries(only.map((name) => [name, soak(name)])));
});

async function rustTests(test, env, features = []) {
  const which = ['--package', 'crosslock-history', ...features, '--test', test];
  await run('cargo', ['test', '--release', ...which, '--', '--nocapture', '--test-threads', '1'], { env });
}

async function nodeTests(file, env, wrap = (...command) => command) {
  await makePackage();
  const [program, ...args] = wrap(process.execPath, '--test', '--test-reporter', 'spec', join(root, file));
  await run(program, args, { env });
}

async function inTabs(install, browser, env, wrap) {
  const found = await install();
  await nodeTests('tests/tabs/history.test.mjs', { ...env, ...found, CROSSLOCK_TEST_BROWSER: browser }, wrap);
}

function choose() {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string' }, operations: { type: 'string' }, seed: { type: 'string' } } });
    const { only = Object.keys(parts).join(','), operations, seed = String(Math.floor(Math.random() * 2 ** 32)) } = values;
    for (const number of [operations ?? '0', seed]) if (!/^\d+$/.test(number)) throw new Error(`${number} is no number`);
    const names = only.split(',');
    const unknown = names.find((name) => !Object.hasOwn(parts, name));
    if (unknown !== undefined) throw new Error(`there is no part "${unknown}"`);
    return { only: names, operations: operations && Number(operations), seed };
  } catch (error) {
    const usage = `npm run soak -- [--only a,b] [--operations N] [--seed N], with parts out of ${Object.keys(parts).join(', ')}`;
    throw new Problem(`${error.message}. Usage: ${usage}`);
  }
}
