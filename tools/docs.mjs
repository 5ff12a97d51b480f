// npm run docs [-- FOLDER]: the whole site, with the reference of both languages under api/. Without a folder in target/docs.

import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makePackage } from './package.mjs';
import { Problem, root, run, say, script } from './run.mjs';
import { rustTarget, typedoc } from './setup.mjs';

const browser = 'wasm32-unknown-unknown';

/** Makes the site in a folder. Whatever is wrong with a reference, such as a link to nothing, fails. */
export async function makeDocs(folder = join(root, 'target/docs')) {
  rmSync(folder, { recursive: true, force: true });
  await makePackage();
  const { writeSite } = await import('./site.mjs');
  await writeSite(folder);
  await referenceOfJavaScript(join(folder, 'api/js'));
  // What there is depends on the platform: Web Locks are in that of the web alone.
  await referenceOfRust(join(folder, 'api/rust'), []);
  await referenceOfRust(join(folder, 'api/rust-web'), ['--target', browser]);
  return folder;
}

async function referenceOfJavaScript(out) {
  const options = [
    ...['--tsconfig', 'js/tsconfig.json', '--entryPoints', 'js/src/node.ts', '--readme', 'pkg-template/README.md'],
    ...['--name', 'crosslock', '--out', out, '--excludeInternal', '--excludePrivate', '--disableSources'],
    ...['--treatWarningsAsErrors', '--logLevel', 'Warn', '--hideGenerator'],
  ];
  await run(process.execPath, [await typedoc(), ...options]);
}

async function referenceOfRust(out, target) {
  await rustTarget(browser);
  // Where the suite `doc` has compiled what is needed. What others left there must not be published.
  const made = join(root, 'target', target[1] ?? '', 'doc');
  rmSync(made, { recursive: true, force: true });
  const options = ['--no-deps', '--all-features', '--lib', '--package', 'crosslock', ...target];
  await run('cargo', ['doc', ...options], { env: { RUSTDOCFLAGS: '-D warnings' } });
  cpSync(made, out, { recursive: true });
  // rustdoc makes one for several crates only, and yet links to it.
  const page = '<!doctype html><html lang="en"><title>crosslock</title><meta http-equiv="refresh" content="0; url=crosslock/index.html">';
  writeFileSync(join(out, 'index.html'), `${page}<a href="crosslock/index.html">crosslock</a></html>\n`);
}

if (process.argv[1] === join(root, 'tools/docs.mjs')) {
  await script(async () => {
    const [folder, ...more] = process.argv.slice(2);
    if (more.length > 0) throw new Problem('Usage: npm run docs [-- FOLDER]');
    const made = await makeDocs(folder && resolve(process.env.INIT_CWD ?? '.', folder));
    say(`the documentation is in ${made}; ${join(made, 'guide.html')} is where to begin`);
  });
}
