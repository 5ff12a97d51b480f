// Makes the npm package in pkg/: the crate by wasm-pack, the TypeScript layer over it by esbuild.

import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeAddon, ownPlatform, platforms, withoutPaths } from './addon.mjs';
import { NOTICES, notices } from './notices.mjs';
import { bin, output, root, run, say } from './run.mjs';
import { npmPackages, wasmPack } from './setup.mjs';
import { encode, shortenLocals, shrinkWasm } from './shrink.mjs';
import { checkSizes, pkg } from './size.mjs';

const glue = join(root, 'target/wasm-pack'); // where wasm-pack leaves its output
const inline = join(glue, 'inline.js'); // the compiled crate as a string
const stamp = join(root, 'target/pkg.stamp');
export const licences = ['LICENSE-APACHE', 'LICENSE-MIT'];
const inputs = [
  ...['Cargo.toml', 'Cargo.lock', 'src', 'js/crate', 'js/src', 'node', 'js/tsconfig.json', 'pkg-template', ...licences],
  ...[
    'package-lock.json',
    'tools/addon.mjs',
    'tools/notices.mjs',
    'tools/package.mjs',
    'tools/shrink.mjs',
    'tools/tsconfig.declarations.json',
  ],
];

/** Makes pkg/, unless it is already what the present sources give. Returns whether it had to. */
export async function makePackage({ limitSize = true } = {}) {
  await npmPackages();
  const fingerprint = hashOf(inputs);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint && existsSync(join(pkg, 'package.json'))) return false;

  rmSync(stamp, { force: true });
  await compileCrate();
  await compileAddon();
  for (const entry of Object.keys(entries)) await bundle(entry);
  await declareTypes();
  copyTemplate();
  if (limitSize) checkSizes();
  writeFileSync(stamp, fingerprint);
  return true;
}

async function compileCrate() {
  const env = {
    ...(await wasmPack()),
    CARGO_PROFILE_RELEASE_OPT_LEVEL: 's',
    // Panics name their source files: of no use in a browser, and the paths would be those of this machine.
    CARGO_ENCODED_RUSTFLAGS: withoutPaths(),
  };
  say('compiling the crate to WebAssembly');
  rmSync(glue, { recursive: true, force: true });
  const options = [
    '--target',
    'web',
    '--release',
    '--mode',
    'no-install',
    '--no-pack',
    '--no-opt',
    '--out-dir',
    glue,
    '--out-name',
    'crosslock',
  ];
  await run('wasm-pack', ['build', ...options, 'js/crate'], { env });

  // Only now: where nothing could be compiled, the package of before is better than none.
  rmSync(pkg, { recursive: true, force: true });
  mkdirSync(pkg);
  // Not by wasm-pack, which would take its options from Cargo.toml, where they are out of sight here.
  const wasm = join(pkg, 'crosslock_bg.wasm');
  await shrinkWasm(join(glue, 'crosslock_bg.wasm'), wasm);
  writeFileSync(inline, `export default ${JSON.stringify(encode(readFileSync(wasm)))};`);
}

/** The addon of this machine's platform, where the package finds it: npm packs no `node_modules`. */
async function compileAddon() {
  const platform = ownPlatform();
  if (!platform) return say('there is no native half for this platform');
  await makeAddon(platform, join(pkg, 'node_modules/@crosslock', platform), { version: version(), licences, addresses: addresses() });
}

/** The entries of the package: the module that each is of, and where it has the wasm from. */
const entries = {
  // The bytes go into the bundle, so that no page, worker or bundler has a file to find.
  index: { module: 'js/src/index.ts', source: 'js/src/source-inline.ts' },
  'wasm-url': { module: 'js/src/wasm-url.ts', source: 'js/src/source-url.ts' },
  // With the addon beside the wasm, which is in the bundle.
  node: { module: 'js/src/node.ts', source: 'js/src/source-inline.ts', inPlace: 'js/src/node' },
  // The file is imported like a module, for Cloudflare's workerd, which compiles no bytes.
  workerd: { module: 'js/src/index.ts', source: 'js/src/source-module.ts' },
};

/**
 * Each entry is whole, with nothing shared: a chunk for both would cost every page a second round trip,
 * and save what nobody loads twice.
 */
async function bundle(entry) {
  const esbuild = await import('esbuild');
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [entries[entry].module],
    outfile: `pkg/${entry}.js`,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    external: ['node:*', './crosslock_bg.wasm'],
    define: { CROSSLOCK_VERSION: JSON.stringify(version()) },
    alias: {
      '#wasm-source': join(root, entries[entry].source),
      '#wasm-inline': inline,
    },
    plugins: entries[entry].inPlace ? [inPlaceOf(entries[entry].inPlace)] : [],
    logLevel: 'warning',
  });
  await shortenLocals(join(pkg, `${entry}.js`));
}

/** Has a file of `folder` stand in the place of the one of that name above it, but for itself. */
const inPlaceOf = (folder) => ({
  name: 'in place of',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\/(clock|wasm)\.js$/ }, ({ path, importer }) => {
      const file = path.replace(/^.*\/(.+)\.js$/, '$1.ts');
      return importer === join(root, folder, file) ? undefined : { path: join(root, folder, file) };
    });
  },
});

async function declareTypes() {
  await run(bin('tsc'), ['--project', 'tools/tsconfig.declarations.json']);
  // What declares internals alone is empty without them.
  for (const folder of [pkg, join(pkg, 'node')]) {
    for (const name of readdirSync(folder).filter((name) => name.endsWith('.d.ts'))) {
      if (readFileSync(join(folder, name), 'utf8').trim() === 'export {};') rmSync(join(folder, name));
    }
  }
}

function copyTemplate() {
  cpSync(join(root, 'pkg-template'), pkg, { recursive: true });
  for (const licence of licences) copyFileSync(join(root, licence), join(pkg, licence));
  writeFileSync(join(pkg, NOTICES), notices('crosslock-js', 'wasm32-unknown-unknown'));
  const manifest = JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
  // Exactly this version: the two halves of the package know each other's numbers.
  const optionalDependencies = Object.fromEntries(Object.keys(platforms).map((name) => [`@crosslock/${name}`, version()]));
  const said = { optionalDependencies, version: version(), ...addresses() };
  writeFileSync(join(pkg, 'package.json'), `${JSON.stringify({ ...manifest, ...said }, null, 2)}\n`);
}

/** What the crate's manifest says, so that it stands in one place; undefined if it says nothing. */
const inCargoToml = (field) => readFileSync(join(root, 'Cargo.toml'), 'utf8').match(new RegExp(`^${field} = "(.+)"$`, 'm'))?.[1];

export const version = () => inCargoToml('version');

export const minimumRust = () => inCargoToml('rust-version');

/** Provenance is refused by npm for a package whose `repository` is not where it was built. */
export const addresses = () => ({ homepage: inCargoToml('homepage'), repository: inCargoToml('repository') });

function hashOf(paths) {
  const hash = createHash('sha256').update(output('rustc', '--version') ?? '');
  const files = paths.flatMap((path) =>
    statSync(join(root, path)).isDirectory()
      ? readdirSync(join(root, path), { recursive: true })
          .map((name) => join(path, name))
          .sort()
      : [path],
  );
  for (const file of files) {
    const full = join(root, file);
    if (statSync(full).isFile()) hash.update(`${file}\0`).update(readFileSync(full)).update('\0');
  }
  return hash.digest('hex');
}
