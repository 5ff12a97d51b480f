// The steps of a release, with the packages that `npm run build` has made and a registry of the test's own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { addonManifest, platforms } from '../../tools/addon.mjs';
import { NOTICES, notices } from '../../tools/notices.mjs';
import { version } from '../../tools/package.mjs';
import { madeFor, names, tarballName } from '../../tools/release/tarballs.mjs';
import { output, root } from '../../tools/run.mjs';
import { pkg } from '../../tools/size.mjs';
import { registry } from './registry.mjs';

const own = readdirSync(join(pkg, 'node_modules/@crosslock'))[0];
const all = mkdtempSync(join(tmpdir(), 'crosslock-tarballs-'));
process.on('exit', () => rmSync(all, { recursive: true, force: true }));

/** All packages: the real ones of this machine, and stand-ins for those that other machines build. */
before(async () => {
  await release(['pack', all]);
  for (const name of Object.keys(platforms)) packPlatform(all, name, name === own ? undefined : standIn(platforms[name]));
});

describe('a release', { timeout: 300_000 }, () => {
  test('has one version', async () => {
    const { output, code } = await release(['check']);
    assert.match(output, new RegExp(`everything has version ${version()}`));
    assert.equal(code, 0, output);
  });

  test('is not made from the tag of another version', async () => {
    const { output, code } = await release(['check', '--tag', 'v99.0.0']);
    assert.match(output, new RegExp(`the tag is v99\\.0\\.0, and Cargo\\.toml has version ${version()}: the tag would be v${version()}`));
    assert.equal(code, 1);
  });

  test('is not made from a version that the changelog does not date', async () => {
    const { output, code } = await release(['check', '--tag', `v${version()}`]);
    // Until there is one. Then the repository, and the tree, are looked at.
    assert.match(output, /CHANGELOG\.md has no line|has no repository|is not what was committed|everything has version/);
    assert.equal(code, output.includes('everything has') ? 0 : 1);
  });

  test('locks where it was built, before it is published', async (t) => {
    const { env } = await registry(t);
    const { output, code } = await release(['try', all], env);
    assert.match(output, /locks among threads and processes/);
    assert.equal(code, 0, output);
  });

  test('is dry-run with all of its packages', async (t) => {
    const { env, published } = await registry(t);
    const { output, code } = await release(['publish', all, '--dry-run'], env);
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`${names.length} packages would be published`));
    assert.deepEqual(published, []);
  });

  test('goes on where it was interrupted, and is installed and tried afterwards', async (t) => {
    const { env, published, broken, packages } = await registry(t);
    broken.add('PUT @crosslock/linux-arm64-gnu');
    const first = await release(['publish', all], env);
    assert.equal(first.code, 1, first.output);
    assert.ok(!published.includes('crosslock'), 'the package came before what it depends on');
    const early = await release(['verify', all, '--unsigned'], env);
    assert.match(early.output, /the registry has no @crosslock\/linux-arm64-gnu/);
    assert.equal(early.code, 1);

    broken.clear();
    const second = await release(['publish', all], env);
    assert.equal(second.code, 0, second.output);
    assert.match(second.output, /@crosslock\/darwin-arm64 \S+ is published already/);
    assert.deepEqual(published, names);

    // A failure to answer is not taken for "not there".
    broken.add('GET crosslock');
    const unknown = await release(['publish', all], env);
    assert.match(unknown.output, /the registry does not say whether it has crosslock/);
    assert.equal(unknown.code, 1);
    broken.clear();

    const checked = await release(['verify', all, '--unsigned'], { ...env, ...crateFromHere(t) });
    assert.equal(checked.code, 0, checked.output);
    assert.match(checked.output, /all \d npm packages, byte for byte/);
    assert.match(checked.output, /locks among threads and processes/);
    assert.match(checked.output, /the crate locks/);

    // Somebody has put another build there under the same version.
    packages.get('@crosslock/darwin-x64').versions[version()].dist.integrity = 'sha512-another';
    const other = await release(['publish', all], env);
    assert.match(other.output, /the registry has another @crosslock\/darwin-x64 .* It needs a new version/);
    assert.equal(other.code, 1);
  });

  const wrongs = {
    'a package is missing': [(folder) => rmSync(tarballIn(folder, 'darwin-x64')), /lacks crosslock-darwin-x64-/],
    'a package is of another version': [
      (folder) => copyFileSync(tarballIn(folder, 'darwin-x64'), join(folder, 'crosslock-darwin-x64-99.0.0.tgz')),
      /has crosslock-darwin-x64-99\.0\.0\.tgz, which is no package of version/,
    ],
    'a library is for another platform': [
      (folder) => packPlatform(folder, 'darwin-x64', standIn(platforms['darwin-arm64'])),
      /the library in .*darwin-x64.* is for darwin arm64, and not for darwin x64/,
    ],
    'a library has the other C library': [
      (folder) => packPlatform(folder, 'linux-arm64-gnu', standIn(platforms['linux-arm64-musl'])),
      /is for linux arm64 musl, and not for linux arm64 glibc/,
    ],
    'a tarball has another package in it': [
      (folder) => copyFileSync(tarballIn(folder, 'darwin-arm64'), tarballIn(folder, 'darwin-x64')),
      /has @crosslock\/darwin-arm64 \S+ in it, and not @crosslock\/darwin-x64/,
    ],
  };
  for (const [what, [spoil, message]] of Object.entries(wrongs)) {
    test(`is refused where ${what}`, async (t) => {
      const { env, published } = await registry(t);
      const folder = mkdtempSync(join(tmpdir(), 'crosslock-tarballs-'));
      t.after(() => rmSync(folder, { recursive: true }));
      cpSync(all, folder, { recursive: true });
      spoil(folder);
      const { output, code } = await release(['publish', folder], env);
      assert.match(output, message);
      assert.equal(code, 1);
      assert.deepEqual(published, []);
    });
  }

  test('knows what the library of this machine is for', () => {
    const { os, cpu, libc } = platforms[own];
    assert.equal(
      madeFor(readFileSync(join(pkg, 'node_modules/@crosslock', own, 'crosslock.node'))),
      [os, cpu, libc].filter(Boolean).join(' '),
    );
  });
});

const tarballIn = (folder, platform) => join(folder, tarballName(`@crosslock/${platform}`, version()));

/** Packs what was built of a platform, or a package with `library` in its place. */
function packPlatform(folder, name, library) {
  const source = join(pkg, 'node_modules/@crosslock', name);
  const made = library ? mkdtempSync(join(tmpdir(), 'crosslock-platform-')) : source;
  if (library) {
    writeFileSync(join(made, 'package.json'), JSON.stringify(addonManifest(name, { version: version() })));
    writeFileSync(join(made, 'crosslock.node'), library);
    writeFileSync(join(made, NOTICES), notices('crosslock-node', platforms[name].target));
  }
  assert.ok(output('npm', 'pack', '--loglevel=error', '--pack-destination', folder, made) !== undefined, `${name} cannot be packed`);
  assert.ok(existsSync(tarballIn(folder, name)));
  if (library) rmSync(made, { recursive: true });
}

/** The header of a library: no more of it can be made of every platform on one machine. */
function standIn({ os, cpu, libc }) {
  const library = Buffer.alloc(256);
  if (os === 'linux') {
    library.write('\x7fELF', 'latin1');
    library.writeUInt16LE({ x64: 0x3e, arm64: 0xb7 }[cpu], 18);
    library.write(libc === 'glibc' ? 'libc.so.6\0' : 'libc.so\0', 64, 'latin1');
  } else if (os === 'darwin') {
    library.writeUInt32LE(0xfeedfacf);
    library.writeUInt32LE({ x64: 0x01000007, arm64: 0x0100000c }[cpu], 4);
  } else {
    library.write('MZ', 'latin1');
    library.writeUInt32LE(128, 0x3c);
    library.write('PE\0\0', 128, 'latin1');
    library.writeUInt16LE({ x64: 0x8664 }[cpu], 132);
  }
  return library;
}

/** Has cargo take the crate from here, which is on no registry, for projects in a temporary folder. */
function crateFromHere(t) {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-crate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, '.cargo'));
  writeFileSync(join(folder, '.cargo/config.toml'), `[patch.crates-io]\ncrosslock = { path = ${JSON.stringify(root)} }\n`);
  return { TMPDIR: folder, CARGO_TARGET_DIR: join(root, 'target/dependant-target') };
}

/** Runs a step, as `npm run release` does. */
async function release(args, env = {}) {
  const child = spawn(process.execPath, ['tools/release.mjs', ...args], { cwd: root, env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { output, code };
}
