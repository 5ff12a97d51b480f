// Runs the tests of the addon by a Node of another platform: for Windows, in Wine, and for Linux with musl.

import { spawn } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeAddon } from './addon.mjs';
import { licences, makePackage, version } from './package.mjs';
import { Problem, root, say } from './run.mjs';
import { pkg } from './size.mjs';

/** Those that are about the addon. */
const tests = ['node-memory', 'node-threads', 'node-datadir', 'node-shared', 'node-copies'];

/**
 * `node` is a program with the arguments before its own, and `wallet` the example of that name, as that Node runs it.
 * `build` is the environment for the compiler, and `zig` that of Zig, if that is to link.
 */
export async function testAddonElsewhere(platform, { node, wallet, env = {}, build, zig }) {
  await makePackage();
  const folder = join(root, 'target/elsewhere', platform);
  rmSync(folder, { recursive: true, force: true });
  cpSync(pkg, join(folder, 'pkg'), { recursive: true, filter: (path) => path !== join(pkg, 'node_modules') });
  cpSync(join(root, 'js/tests'), join(folder, 'js/tests'), { recursive: true });
  mkdirSync(join(folder, 'tests'));
  cpSync(join(root, 'tests/messages.json'), join(folder, 'tests/messages.json'));
  await makeAddon(platform, join(folder, 'pkg/node_modules/@crosslock', platform), { version: version(), licences, zig, build });

  const failed = [];
  for (const test of tests) {
    const output = join(folder, `${test}.txt`);
    const start = performance.now();
    const [program, ...args] = [...node, '--test-reporter', 'spec', `js/tests/${test}.test.mjs`];
    const code = await runInto(output, program, args, { cwd: folder, env: { ...env, CROSSLOCK_TEST_WALLET: wallet } });
    const text = readFileSync(output, 'utf8');
    const passed = text.match(/^ℹ pass (\d+)$/m)?.[1];
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    say(`${test}: ${passed ?? 'none'} passed for ${platform}, in ${seconds} s`);
    if (code === 0 && Number(passed) > 0) continue;
    console.error(text);
    failed.push(test);
  }
  if (failed.length > 0) throw new Problem(`failed for ${platform}: ${failed.join(', ')}`);
}

/** Its output goes to a file: a Node in Wine writes to no pipe of Linux. Resolves to the exit code. */
function runInto(file, program, args, { cwd, env }) {
  const output = openSync(file, 'w');
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', output, output], timeout: 600_000 });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  }).finally(() => closeSync(output));
}
