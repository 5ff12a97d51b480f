// npm run machines [-- MACHINE…]: the native suites on machines that this one can be, or can pretend to be: a 32-bit one, and one with 64-bit ARM.
// `npm test` runs of the former what depends on the machine and is quick.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { testAddonElsewhere } from './elsewhere.mjs';
import { Problem, every, root, run, script } from './run.mjs';
import { aarch64, i686, nodeForArm64, rustTarget, zigbuild } from './setup.mjs';

const machines = {
  i686: { target: 'i686-unknown-linux-gnu', setUp: i686, kills: '200' },
  aarch64: { target: 'aarch64-unknown-linux-gnu', setUp: aarch64, kills: '50', addon: testAddonOnArm64 },
};

/** What asks the kernel for anything. */
const suites = ['conformance', 'datadir', 'shared_datadir', 'memory'].flatMap((name) => ['--test', name]);

/** Searches and models: minutes of arithmetic, which is the same everywhere. */
const searches = ['protocol::search', 'model_tests', 'simulation'].flatMap((name) => ['--skip', name]);

/** Runs what is quick for a machine. */
export async function testOn(name) {
  const { test, kills } = await machine(name);
  await test(['--lib', ...suites, '--', ...searches], { CROSSLOCK_TEST_KILLS: kills });
}

/** Sets a machine up. */
async function machine(name) {
  const { target, setUp, ...rest } = machines[name];
  const env = await setUp();
  await rustTarget(target);
  const test = (args, more = {}) => run('cargo', ['test', '--target', target, ...args], { env: { ...env, ...more } });
  return { test, target, env, ...rest };
}

async function testAllOn(name) {
  const { test, target, env, kills, addon } = await machine(name);
  await test(['--lib', '--tests'], { CROSSLOCK_TEST_KILLS: kills });
  await test(['--package', 'crosslock-history', '--test', 'one_process'], { CROSSLOCK_OPERATIONS: '2000' });
  await addon?.({ target, env });
}

/** The addon, in a Node for that processor. */
async function testAddonOnArm64({ target, env }) {
  await run('cargo', ['build', '--example', 'wallet', '--target', target], { env });
  const wrappers = join(root, 'target/elsewhere/wrappers');
  mkdirSync(wrappers, { recursive: true });
  const wrapped = (name, program) => {
    const path = join(wrappers, name);
    writeFileSync(path, `#!/bin/sh\nexec ${env.CROSSLOCK_TEST_RUNNER} '${program}' "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const wallet = wrapped('wallet', join(root, 'target', target, 'debug/examples/wallet'));
  const node = wrapped('node', await nodeForArm64(24));
  // The kernel would not start the Node that a test starts from itself.
  const preloaded = join(wrappers, 'program.mjs');
  writeFileSync(preloaded, `process.execPath = ${JSON.stringify(node)};\n`);
  const options = `--import ${pathToFileURL(preloaded)}`;
  await testAddonElsewhere('linux-arm64-gnu', { node: [node], wallet, env: { NODE_OPTIONS: options }, zig: await zigbuild() });
}

if (process.argv[1] === join(root, 'tools/machines.mjs')) {
  await script(async () => {
    const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(machines);
    const unknown = chosen.find((name) => !Object.hasOwn(machines, name));
    if (unknown !== undefined)
      throw new Problem(
        `there is no machine "${unknown}". Usage: npm run machines [-- MACHINE…], out of ${Object.keys(machines).join(', ')}`,
      );
    await every(Object.fromEntries(chosen.map((name) => [name, () => testAllOn(name)])));
  });
}
