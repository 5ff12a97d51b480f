// What `cargo publish` and `npm publish` would upload, up to the upload itself.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePackage } from './package.mjs';
import { Problem, output, root, run } from './run.mjs';
import { rustTarget } from './setup.mjs';
import { pkg } from './size.mjs';

/** A target that this machine can compile for, and not link for. */
const unlinkable = 'aarch64-apple-ios';

export async function publish() {
  await rustTarget(unlinkable);
  // It builds what it has packed. What is not committed yet is tried as well.
  await run('cargo', ['publish', '--dry-run', '--allow-dirty', '--package', 'crosslock']);
  checkFiles();
  await buildDependant();
  await makePackage();
  await run('npm', ['publish', '--dry-run'], { cwd: pkg });
}

/** Sources, and what users read: neither tests nor the crate that wasm-pack builds. */
function checkFiles() {
  const files = output('cargo', 'package', '--list', '--allow-dirty', '--package', 'crosslock').split('\n');
  const expected = /^(\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|src\/.*\.rs|docs\/migrating\.md|README\.md|LICENSE-(APACHE|MIT))$/;
  const strange = files.filter((file) => !expected.test(file));
  if (strange.length) throw new Problem(`the crate would be published with ${strange.join(', ')}`);
}

/** Whoever builds on the packed crate links nothing of ours, for which there may be no linker. */
async function buildDependant() {
  const { version } = JSON.parse(output('cargo', 'metadata', '--format-version', '1', '--no-deps')).packages.find(({ name }) => name === 'crosslock');
  const folder = join(root, 'target/dependant');
  const packed = join(root, 'target/package', `crosslock-${version}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'src'), { recursive: true });
  const manifest = `[package]\nname = "dependant"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\ncrosslock = { path = ${JSON.stringify(packed)} }\n\n[workspace]\n`;
  writeFileSync(join(folder, 'Cargo.toml'), manifest);
  writeFileSync(join(folder, 'src/lib.rs'), 'pub use crosslock::platform_default;\n');
  const env = { CARGO_TARGET_DIR: join(root, 'target/dependant-target') };
  await run('cargo', ['build', '--target', unlinkable], { cwd: folder, env });
}
