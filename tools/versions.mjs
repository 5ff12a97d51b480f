// The oldest that Cargo.toml allows: its Rust, with each dependency in the very version that it names.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { minimumRust } from './package.mjs';
import { Problem, output, root, run } from './run.mjs';
import { nightly, rustToolchain } from './setup.mjs';

/** `npm run oldest` writes it. */
const lockfile = join(root, 'tests/versions/Cargo.lock');

/** What the oldest versions compile into, beside everything else. Nobody debugs it. */
const env = { CARGO_TARGET_DIR: join(root, 'target/versions'), CARGO_PROFILE_DEV_DEBUG: '0' };

/** The suites of the native backends. */
const tests = ['--lib', '--test', 'conformance', '--test', 'datadir', '--test', 'shared_datadir', '--test', 'memory'];

/** Builds and tests with what is oldest. */
export async function checkVersions() {
  const target = 'wasm32-unknown-unknown';
  const [cargo] = await rustToolchain(minimumRust(), target);
  const cwd = withOldestVersions();
  copyFileSync(lockfile, join(cwd, 'Cargo.lock'));
  if (output('cargo', cargo, 'metadata', '--locked', '--format-version', '1', '--manifest-path', join(cwd, 'Cargo.toml')) === undefined) {
    throw new Problem('tests/versions/Cargo.lock does not fit Cargo.toml. Write it anew: npm run oldest');
  }
  await run('cargo', [cargo, 'check', '--locked', '--all-features'], { cwd, env });
  await run('cargo', [cargo, 'check', '--locked', '--target', target], { cwd, env });
  await run('cargo', [cargo, 'test', '--locked', ...tests], { cwd, env });
}

/** Writes the lock file anew: only a nightly cargo picks the oldest versions. */
export async function writeOldest() {
  const cargo = `+${await nightly()}`;
  const cwd = withOldestVersions();
  await run('cargo', [cargo, 'update', '-Zdirect-minimal-versions'], { cwd });
  copyFileSync(join(cwd, 'Cargo.lock'), lockfile);
}

/**
 * The crate once more, by links, because cargo takes the lock file that lies beside a manifest. Without
 * the other members of the workspace and without the benchmarks: what these need binds no user of the crate.
 */
function withOldestVersions() {
  const folder = join(root, 'target/oldest-versions');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const others = ['Cargo.toml', 'Cargo.lock', 'benches', 'target', 'node_modules', 'pkg'];
  for (const name of readdirSync(root)) {
    if (!others.includes(name) && !name.startsWith('.')) symlinkSync(join(root, name), join(folder, name));
  }
  const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8')
    .replace(/^members = .*\n/m, '')
    .replace(/^# What the benchmarks compare with.*\n(.+\n)+/m, '')
    .replaceAll(/^\[\[bench\]\]\n(.+\n)+/gm, '');
  writeFileSync(join(folder, 'Cargo.toml'), manifest);
  return folder;
}
