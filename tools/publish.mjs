// What `cargo publish` and `npm publish` would upload, up to the upload itself.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  const crate = manifest();
  checkFields('Cargo.toml', crate, ['description', 'license', 'readme', 'keywords', 'categories', 'rust_version']);
  if (crate.metadata?.docs?.rs === undefined) throw new Problem('Cargo.toml does not say how docs.rs is to build it');
  await buildDependant(crate.version);
  await makePackage();
  const published = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
  checkFields('pkg-template/package.json', published, ['description', 'license', 'keywords', 'engines', 'files', 'exports']);
  // All of the npm packages are dry-run by tests/publish.
}

/** What registries show, and their users look for. */
function checkFields(file, manifest, names) {
  const missing = names.filter((name) => Object.keys(Object(manifest[name])).length === 0);
  if (missing.length) throw new Problem(`${file} lacks ${missing.join(', ')}`);
}

function manifest() {
  const { packages } = JSON.parse(output('cargo', 'metadata', '--format-version', '1', '--no-deps'));
  return packages.find(({ name }) => name === 'crosslock');
}

/** Sources, and what users read: neither tests nor the crate that wasm-pack builds. */
function checkFiles() {
  const files = output('cargo', 'package', '--list', '--allow-dirty', '--package', 'crosslock').split('\n');
  const expected =
    /^(\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|src\/.*\.(rs|md|sql)|docs\/(migrating|postgres|writing-a-backend|recipes\/[\w-]+)\.md|README\.md|LICENSE-(APACHE|MIT))$/;
  const strange = files.filter((file) => !expected.test(file));
  if (strange.length) throw new Problem(`the crate would be published with ${strange.join(', ')}`);
}

/** Whoever builds on the packed crate links nothing of ours, for which there may be no linker. */
async function buildDependant(version) {
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
