// Makes the packages @crosslock/<platform>: the addon of node/, for one platform each.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { NOTICES, notices } from './notices.mjs';
import { output, root, run, say } from './run.mjs';
import { rustTarget } from './setup.mjs';

/** What is made of each platform, by the name that `js/src/node/loader.ts` looks for. */
export const platforms = {
  'darwin-arm64': { target: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64' },
  'darwin-x64': { target: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64' },
  'linux-arm64-gnu': { target: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-arm64-musl': { target: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  'linux-x64-gnu': { target: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-x64-musl': { target: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'win32-x64': { target: 'x86_64-pc-windows-gnu', os: 'win32', cpu: 'x64' },
};

/** The platform of this machine, as far as there is a package for it. */
export function ownPlatform() {
  const host = output('rustc', '-vV').match(/^host: (.+)$/m)[1];
  return Object.keys(platforms).find((name) => platforms[name].target === host);
}

/** Has panics name no folders of this machine, as rustc's option. */
export const withoutPaths = () =>
  [
    join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'registry/src/'),
    join(output('rustc', '--print', 'sysroot'), 'lib/rustlib/src/rust/library/'),
  ]
    .map((folder) => `--remap-path-prefix=${folder}=`)
    .join('\x1f');

/**
 * Compiles the addon, and makes the package of a platform in `folder`. With `zig`, by its C compiler, which has the
 * C libraries of other platforms. `build` is added to the environment of the build.
 */
export async function makeAddon(name, folder, { version, licences, addresses, zig, build }) {
  const { target, os, libc } = platforms[name];
  await rustTarget(target);
  say(`compiling the addon for ${name}`);
  // A library for Node is linked with the C library that Node has loaded, and not with one of its own.
  const flags = libc === 'musl' ? [withoutPaths(), '-C', 'target-feature=-crt-static'].join('\x1f') : withoutPaths();
  const env = { ...zig, ...build, CARGO_PROFILE_RELEASE_STRIP: 'symbols', CARGO_ENCODED_RUSTFLAGS: flags };
  // glibc 2.28 is what Node itself needs since version 18.
  const linked = zig && libc === 'glibc' ? `${target}.2.28` : target;
  await run('cargo', [zig ? 'zigbuild' : 'build', '--release', '--package', 'crosslock-node', '--target', linked], { env });
  const built = { darwin: 'libcrosslock_node.dylib', linux: 'libcrosslock_node.so', win32: 'crosslock_node.dll' }[os];
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(build?.CARGO_TARGET_DIR ?? join(root, 'target'), target, 'release', built), join(folder, 'crosslock.node'));
  for (const licence of licences) copyFileSync(join(root, licence), join(folder, licence));
  writeFileSync(join(folder, NOTICES), notices('crosslock-node', target));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(addonManifest(name, { version, addresses }), null, 2)}\n`);
}

/** The manifest of @crosslock/<name>. npm installs the package where `os`, `cpu` and `libc` fit, and nowhere else. */
export function addonManifest(name, { version, addresses = {} }) {
  const { os, cpu, libc } = platforms[name];
  return {
    name: `@crosslock/${name}`,
    version,
    description: `The native half of crosslock for ${name}`,
    license: 'MIT OR Apache-2.0',
    main: 'crosslock.node',
    files: ['crosslock.node', 'LICENSE*'],
    os: [os],
    cpu: [cpu],
    ...(libc ? { libc: [libc] } : {}),
    engines: { node: '>=20.19' },
    ...addresses,
    // What has a scope is private to npm unless this is said.
    publishConfig: { access: 'public' },
  };
}
