// What a page loads, beside what it would load of others.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../../tools/run.mjs';
import { pkg, sizeOf } from '../../tools/size.mjs';
import { heading, integer, printTable } from './report.mjs';

/** The files of each of our entries. */
const ours = {
  crosslock: ['index.js'],
  '`crosslock/wasm-url`, two files': ['wasm-url.js', 'crosslock_bg.wasm'],
};

const peers = ['async-mutex', 'async-lock', 'superlock', 'p-limit', 'async-await-mutex-lock'];

/** Prints the sizes of the built package, and of the peers as a bundler would minify them. */
export async function printPageSizes() {
  heading('What a page loads');
  const rows = Object.entries(ours).map(([name, files]) => {
    const sizes = files.map((file) => sizeOf(readFileSync(join(pkg, file))));
    const sum = (kind) => sizes.reduce((sum, size) => sum + size[kind], 0);
    return row(name, { raw: sum('raw'), gzip: sum('gzip'), brotli: sum('brotli') });
  });
  for (const name of peers) rows.push(row(name, sizeOf(await bundled(name))));
  printTable(['bytes', 'raw', 'gzip', 'brotli'], rows);
}

const row = (name, { raw, gzip, brotli }) => [name, ...[raw, gzip, brotli].map(integer)];

async function bundled(name) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents: `export * from ${JSON.stringify(name)}`, resolveDir: root },
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
  });
  return outputFiles[0].contents;
}
