// The native suites on machines that this one can be, or can pretend to be: a 32-bit one, and one with 64-bit ARM.
// `npm test` runs what depends on the machine and is quick; `npm run machines` all of them.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { testAddonElsewhere } from './elsewhere.mjs';
import { root, run } from './run.mjs';
import { aarch64, i686, nodeForArm64, rustTarget, zigbuild } from './setup.mjs';

const machines = {
  i686: { target: 'i686-unknown-linux-gnu', setUp: i686, kills: '200' },
  aarch64: { target: 'aarch64-unknown-linux-gnu', setUp: aarch64, kills: '50', addon: testAddonOnArm64 },
};

/** What asks the kernel for anything. */
const suites = ['conformance', 'datadir', 'shared_datadir', 'memory'].flatMap((name) => ['--test', name]);

/** Searches and models: minutes of arithmetic, which is the same everywhere. */
const searches = ['protocol::search', 'model_tests', 'simulation'].flatMap((name) => ['--skip', name]);

/** Runs the suites for a machine: those that are quick, or the whole. */
export async function testOn(name, { whole = false } = {}) {
  const { target, setUp, kills, addon } = machines[name];
  const env = await setUp();
  await rustTarget(target);
  const test = (args, more = {}) => run('cargo', ['test', '--target', target, ...args], { env: { ...env, ...more } });
  if (!whole) {
    await test(['--lib', ...suites, '--', ...searches], { CROSSLOCK_TEST_KILLS: kills });
    return;
  }
  await test(['--lib', '--tests'], process.env.CROSSLOCK_TEST_KILLS ? {} : { CROSSLOCK_TEST_KILLS: '1000' });
  await test(['--package', 'crosslock-history', '--lib', '--test', 'memory', '--test', 'datadir', '--test', 'processes']);
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
