// npm test: runs every suite, whatever the ones before it did, and sums up.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkApi } from './api.mjs';
import { announce } from './apt.mjs';
import { firefoxCapabilities } from './firefox.mjs';
import { testAddonElsewhere } from './elsewhere.mjs';
import { checkGrowth } from './growth.mjs';
import { checkLicences, checkSources } from './licences.mjs';
import { testOn } from './machines.mjs';
import { makePackage, minimumRust } from './package.mjs';
import { publish } from './publish.mjs';
import { Problem, every, bin, root, run, say, script } from './run.mjs';
import {
  chromium,
  firefox,
  node,
  nodeForMusl,
  nodeForWindows,
  nodeWithWebLocks,
  npmPackages,
  postgres,
  rust,
  rustComponent,
  rustTarget,
  rustToolchain,
  wasmPack,
  webkit,
  wine,
  zigbuild,
} from './setup.mjs';
import { checkVersions } from './versions.mjs';
import { locateWebkit, onScreen, webkitCapabilities } from './webkit.mjs';

const browser = 'wasm32-unknown-unknown';
const windows = 'x86_64-pc-windows-gnu';
// Where the crate runs, and this machine may not. One of them has 32 bits, where the kernel's structures
// are others, and FreeBSD stands for what Unix there is beyond those that the README promises.
const elsewhere = [
  ...[windows, 'aarch64-apple-darwin', 'aarch64-apple-ios', 'aarch64-linux-android', 'armv7-linux-androideabi'],
  ...['aarch64-unknown-linux-gnu', 'aarch64-unknown-linux-musl', 'x86_64-unknown-linux-musl', 'x86_64-unknown-freebsd'],
];

// The examples in the documentation are run once, by the suite `rust`.
const withoutExamples = ['--lib', '--tests'];

/** What suites need by apt, beside the C compiler that all but two of them need. */
const byApt = {
  wasm: ['chromium'],
  tabs: ['chromium'],
  places: ['chromium'],
  docs: ['chromium'],
  engines: ['firefox', 'webkit'],
  postgres: ['postgres'],
  musl: ['musl'],
  windows: ['wine'],
  i686: ['i686'],
};
const withoutCompiler = ['lint', 'tools'];

const suites = {
  async fmt() {
    await rustComponent('rustfmt');
    await run('cargo', ['fmt', '--all', '--check']);
  },

  /** How TypeScript, JavaScript and JSON are laid out, and what in them is most likely a mistake. */
  async lint() {
    await npmPackages();
    await run(bin('biome'), ['check', '--error-on-warnings', '--max-diagnostics=100']);
  },

  /** What the papers say of the repository, and what installs things. */
  async tools() {
    await npmPackages();
    await nodeTests('tests/tools');
  },

  async clippy() {
    await rustComponent('clippy');
    await rustTarget(browser);
    await rustTarget('wasm32-wasip1');
    const strict = ['--', '-D', 'warnings'];
    await run('cargo', ['clippy', '--all-targets', ...strict]);
    await run('cargo', ['clippy', '--all-targets', '--target', browser, ...strict]);
    for (const target of [[], ['--target', browser]])
      await run('cargo', ['clippy', '--all-targets', '--all-features', ...target, ...strict]);
    // The crates that are no part of the published one.
    await run('cargo', ['clippy', '--package', 'crosslock-node', ...strict]);
    await run('cargo', ['clippy', '--package', 'size-crate', '--features', 'size-crate/locks', '--target', browser, ...strict]);
    await run('cargo', ['clippy', '--package', 'crosslock-history', '--all-targets', '--all-features', ...strict]);
    await run('cargo', ['clippy', '--package', 'crosslock-nfs', ...strict]);
    await run('cargo', ['clippy', '--package', 'crosslock-fuzz', '--tests', ...strict]);
    // By itself: it has no standard library, and what it shares with the others would have one for their sake.
    await run('cargo', ['clippy', '--package', 'crosslock-js', '--target', browser, ...strict]);
    // A wasm without a browser has the memory backend alone.
    await run('cargo', ['check', '--target', 'wasm32-wasip1']);
  },

  /** Other platforms, compiled at least. Clippy links nothing, so it needs no linkers of theirs. */
  async targets() {
    await rustComponent('clippy');
    for (const target of elsewhere) await rustTarget(target);
    const targets = elsewhere.flatMap((target) => ['--target', target]);
    await run('cargo', ['clippy', '--all-targets', ...targets, '--', '-D', 'warnings']);
    // The addon has a file for each kind of system.
    const addons = [windows, 'aarch64-apple-darwin', 'aarch64-unknown-linux-gnu'].flatMap((target) => ['--target', target]);
    await run('cargo', ['clippy', '--package', 'crosslock-node', ...addons, '--', '-D', 'warnings']);
  },

  /** With the oldest Rust that Cargo.toml promises, and the versions of Cargo.lock; `versions` has the oldest of those. */
  async msrv() {
    const cargo = await rustToolchain(minimumRust(), browser);
    // A directory of its own, or every change between this and the other suites rebuilds all.
    const env = { CARGO_TARGET_DIR: join(root, 'target/msrv') };
    await run('cargo', [...cargo, 'check', '--features', 'conformance,serde,tracing'], { env });
    await run('cargo', [...cargo, 'check', '--target', browser], { env });
    await run('cargo', [...cargo, 'check', '--package', 'crosslock-node'], { env });
  },

  /** The suite `docs` makes it for the web as well, where `web_locks` is. */
  async doc() {
    await rust();
    await run('cargo', ['doc', '--no-deps', '--all-features'], { env: { RUSTDOCFLAGS: '-D warnings' } });
  },

  /** The site with the references of both languages, and the recipes, in Chromium. */
  async docs() {
    await chromium();
    const { makeDocs } = await import('./docs.mjs');
    const env = { CROSSLOCK_TEST_SITE: await makeDocs() };
    await nodeTests('tests/docs', { env });
  },

  /** The public API, compared with what docs/api/ has of it. */
  async api({ 'accept-api': accept }) {
    await checkApi({ accept });
  },

  async licences() {
    await rust();
    checkLicences();
    checkSources();
  },

  /** The oldest Rust and the oldest dependencies that Cargo.toml allows. */
  async versions() {
    await rust();
    await checkVersions();
  },

  /** What would be published, by cargo and by npm. */
  async publish() {
    await publish();
    await nodeTests('tests/publish');
  },

  /** By how much our locks make the wasm of a Rust application grow. */
  async growth() {
    await checkGrowth();
  },

  async rust() {
    await rust();
    await run('cargo', ['test']);
    await run('cargo', ['test', '--features', 'serde', '--test', 'serde']);
    await run('cargo', ['test', '--features', 'tracing', '--test', 'traced']);
    await run('cargo', ['test', '--features', 'tracing', '--test', 'conformance', 'traced']);
    // It fails if the locks do not hold.
    await run('cargo', ['run', '--quiet', '--example', 'race']);
    // Locks are the file system's: once more in memory, where the build is most likely on a disk.
    const memory = '/dev/shm';
    const files = ['--test', 'conformance', '--test', 'datadir'];
    if (existsSync(memory)) await run('cargo', ['test', ...files], { env: { CROSSLOCK_TEST_FOLDER: memory } });
  },

  /** What clients of memory and of datadirs saw, in Rust and in Node, checked afterwards against the contract. */
  async history() {
    await rust();
    await run('cargo', ['test', '--package', 'crosslock-history']);
    await makePackage();
    await nodeTests('tests/history/clients');
  },

  /** The fuzz targets, on the corpus and some bytes of fixed seeds. */
  async fuzz() {
    await rust();
    // The models take many times as long without. Not in Cargo.toml, which is published, and has no such package then.
    const optimized = ['--config', 'profile.dev.package.crosslock-fuzz.opt-level=1'];
    await run('cargo', [...optimized, 'test', '--package', 'crosslock-fuzz', '--test', 'corpus']);
  },

  /** Locks in PostgreSQL, in clusters that the tests make in temporary folders, as an ordinary user. */
  async postgres() {
    const env = await postgres();
    await rust();
    await run('cargo', ['test', '--features', 'postgres', '--lib', '--test', 'postgres'], { env });
    await run('cargo', ['test', '--features', 'postgres', '--test', 'conformance', 'postgres'], { env });
    await run('cargo', ['test', '--features', 'postgres', '--doc', 'postgres'], { env });
    await run('cargo', ['test', '--package', 'crosslock-history', '--features', 'postgres', '--test', 'postgres'], { env });
  },

  /** Linux with the other C library. Its programs are static: they run, and link, without it. */
  async musl() {
    const target = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-musl`;
    await rustTarget(target);
    await run('cargo', ['test', '--target', target, ...withoutExamples]);
    // A Node that is not static, with the addon.
    if (process.arch !== 'x64') return;
    const { program, env } = await nodeForMusl();
    await run('cargo', ['build', '--example', 'wallet', '--target', target]);
    const wallet = join(root, 'target', target, 'debug/examples/wallet');
    await testAddonElsewhere('linux-x64-musl', { node: [program], wallet, env, zig: await zigbuild() });
  },

  /**
   * Windows, as far as Wine is Windows. Its services outlive the tests by two seconds, and keep our
   * stderr that long; they are left to end by themselves, as another run may be using them.
   */
  async windows() {
    const env = { ...(await wine()), ...targetWithoutBlanks() };
    await rustTarget(windows);
    // One of the tests runs it, and cannot have it built: there is no cargo in Wine.
    await run('cargo', ['build', '--example', 'wallet', '--target', windows], { env });
    await run('cargo', ['test', '--target', windows, ...withoutExamples], { env });
    // Its TLS is C in part, for which there is a compiler here, and not in the suite `targets`.
    await rustComponent('clippy');
    await run('cargo', ['clippy', '--features', 'postgres', '--target', windows, '--', '-D', 'warnings'], { env });
    // The latest that Wine 8 runs.
    const node = ['wine', await nodeForWindows(22)];
    const wallet = join(env.CARGO_TARGET_DIR ?? join(root, 'target'), windows, 'debug/examples/wallet.exe');
    await testAddonElsewhere('win32-x64', { node, wallet, env, build: env });
  },

  /** Linux with 32 bits, on this processor. `npm run machines` does more, and on 64-bit ARM. */
  async i686() {
    await testOn('i686');
  },

  async loom() {
    await rust();
    // A directory of its own, or every change between this and the other suites rebuilds all.
    const env = {
      RUSTFLAGS: '--cfg loom',
      CARGO_TARGET_DIR: join(root, 'target/loom'),
      // To link for speed takes longer than the models do.
      CARGO_PROFILE_RELEASE_LTO: 'off',
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    };
    await run('cargo', ['test', '--lib', '--features', '__edge', '--release', 'loom'], { env });
  },

  async wasm() {
    await chromium();
    const { executablePath, chromedriver, args } = await import('./chromium.mjs?installed');
    const capabilities = { 'goog:chromeOptions': { binary: executablePath, args } };
    await wasmTests('chromium', capabilities, ['--chrome', '--chromedriver', chromedriver]);
    // Where its locks reach the threads of Node.
    const node = dirname(await nodeWithWebLocks());
    const env = await wasmPack();
    const path = `${node}:${env.PATH ?? process.env.PATH}`;
    await run('wasm-pack', ['test', '--node', '--mode', 'no-install', '--test', 'web_node'], { env: { ...env, PATH: path } });
  },

  async types() {
    await makePackage();
    await run(bin('tsc'), ['--project', 'js', '--noEmit']);
    await run(bin('tsc'), ['--project', 'www', '--noEmit']);
    await nodeTests('tests/types');
  },

  async js() {
    await makePackage();
    for (const node of new Set([process.execPath, await nodeWithWebLocks()])) {
      say(`with ${node}`);
      await nodeTests('js/tests', { node });
    }
  },

  async tabs() {
    await makePackage();
    await chromium();
    await nodeTests(['tests/tabs', 'tests/tabs/chromium']);
  },

  /** The other engines: the crate's wasm tests, and the tests with tabs that need nothing of Chromium. */
  async engines() {
    const env = await firefox();
    await webkit();
    await makePackage();

    const inBrowser = (browser) => ({ CROSSLOCK_TEST_BROWSER: browser });
    await every({
      'the crate in Firefox': () => wasmTests('firefox', firefoxCapabilities(), ['--firefox', '--geckodriver', env.GECKODRIVER]),
      'tabs in Firefox': () => nodeTests('tests/tabs', { env: { ...env, ...inBrowser('firefox') } }),
      'the crate in WebKit': () =>
        wasmTests('webkit', webkitCapabilities(), ['--safari', '--safaridriver', locateWebkit().webkitDriver], onScreen),
      'tabs in WebKit': () => nodeTests('tests/tabs', { env: inBrowser('webkit'), wrap: onScreen }),
    });
  },

  /** The packed package, installed into projects of their own. With a Node that all of their tools support. */
  async places() {
    await makePackage();
    await chromium();
    await nodeTests('tests/places', { node: await node(24) });
  },
};

/** Where cargo builds for Windows: MinGW's dlltool calls the assembler by a shell, which splits paths at blanks. */
function targetWithoutBlanks() {
  if (!/\s/.test(root)) return {};
  const clone = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return { CARGO_TARGET_DIR: join(tmpdir(), `crosslock-windows-${clone}`) };
}

/** Runs the crate's tests in a browser. */
async function wasmTests(name, capabilities, browser, wrap = (...command) => command) {
  const file = join(root, `target/webdriver-${name}.json`);
  mkdirSync(join(root, 'target'), { recursive: true });
  writeFileSync(file, JSON.stringify(capabilities));
  const env = {
    ...(await wasmPack()),
    WASM_BINDGEN_TEST_WEBDRIVER_JSON: file,
    // In seconds. The defaults are too short for a busy machine.
    WASM_BINDGEN_TEST_TIMEOUT: '120',
    WASM_BINDGEN_TEST_DRIVER_TIMEOUT: '60',
  };
  // Without the examples in the documentation: they show native programs, and the suite `rust` runs them.
  const options = ['--headless', ...browser, '--mode', 'no-install', '--lib', '--test', '*', '--all-features'];
  const [program, ...args] = wrap('wasm-pack', 'test', ...options);
  await run(program, args, { env });
}

/** Runs the test files in a folder, or in several, with this Node or another. */
async function nodeTests(folders, { node = process.execPath, env = {}, wrap = (...command) => command } = {}) {
  const tests = [folders].flat().flatMap((folder) => {
    const names = existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [];
    const tests = names.filter((name) => name.endsWith('.test.mjs')).map((name) => join(folder, name));
    if (tests.length === 0) throw new Problem(`there are no tests in ${folder}`);
    return tests;
  });
  // A file that hangs fails, in milliseconds: most take some seconds, none a minute.
  const options = ['--test', '--test-timeout', '600000', '--test-reporter', 'spec'];
  const [program, ...args] = wrap(node, ...options, ...tests);
  await run(program, args, { env });
}

await script(async () => {
  const { chosen, switches } = choose();
  const ofRust = [...chosen].filter((name) => !withoutCompiler.includes(name));
  await announce(ofRust.length > 0 ? ['compiler', ...new Set(ofRust.flatMap((name) => byApt[name] ?? []))] : []);
  const results = [];
  for (const name of Object.keys(suites)) {
    results.push(chosen.has(name) ? await attempt(name, switches) : { name, status: 'skipped' });
  }
  console.log();
  for (const { name, status, seconds, note = '' } of results) {
    const outcome = seconds ? `${status.padEnd(8)}${seconds.padStart(8)}  ${note}` : 'skipped by request';
    console.log(`${name.padEnd(10)}${outcome}`.trimEnd());
  }
  const count = (status) => results.filter((result) => result.status === status).length;
  console.log(`${count('ok')} passed, ${count('FAILED')} failed, ${count('skipped')} skipped`);
  if (count('FAILED')) process.exitCode = 1;
});

async function attempt(name, switches) {
  const start = performance.now();
  const result = (status, note) => ({ name, status, note, seconds: `${((performance.now() - start) / 1000).toFixed(1)} s` });
  console.log(`\n--- ${name}`);
  try {
    await suites[name](switches);
    return result('ok');
  } catch (error) {
    console.error(error instanceof Problem ? `crosslock: ${name}: ${error.message}` : error);
    return result('FAILED', error.message);
  }
}

function choose() {
  const all = Object.keys(suites);
  try {
    const options = { only: { type: 'string' }, skip: { type: 'string' }, 'accept-api': { type: 'boolean' } };
    const { values } = parseArgs({ options });
    const only = values.only?.split(',') ?? all;
    const skip = values.skip?.split(',') ?? [];
    const unknown = [...only, ...skip].find((name) => !all.includes(name));
    if (unknown !== undefined) throw new Error(`there is no suite "${unknown}"`);
    return { chosen: new Set(only.filter((name) => !skip.includes(name))), switches: values };
  } catch (error) {
    throw new Problem(
      `${error.message}. Usage: npm test -- [--only a,b] [--skip a,b] [--accept-api], with suites out of ${all.join(', ')}`,
    );
  }
}
