// What a page loads, in bytes, and how much of it is too much.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Problem, root, say } from './run.mjs';

const budget = join(root, 'tools/size-budget.json');
const TOLERATED = 0.1;

export const pkg = join(root, 'pkg');

/** The sizes of what a page may load. */
export function printSizes() {
  const column = (...cells) => console.log(cells.map((cell, i) => (i ? String(cell).padStart(9) : cell.padEnd(18))).join(''));
  column('pkg/', 'bytes', 'gzip', 'brotli');
  for (const name of Object.keys(recorded())) {
    const { raw, gzip, brotli } = sizeOf(readFileSync(join(pkg, name)));
    column(name, raw, gzip, brotli);
  }
}

/** How many bytes travel, by how the server compresses them. */
export const sizeOf = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes).length,
});

/** Fails when a file has grown past what was once accepted, so that nothing grows unnoticed. */
export function checkSizes() {
  for (const [name, before] of Object.entries(recorded())) {
    const now = brotli(name);
    const change = `with brotli, pkg/${name} has ${now} bytes; tools/size-budget.json says ${before}`;
    const accept = 'npm run build -- --accept-size';
    if (now > before * (1 + TOLERATED)) throw new Problem(`${change}. If it is worth that to every page, accept it: ${accept}`);
    if (now < before * (1 - TOLERATED)) say(`${change}. Keep what was gained: ${accept}`);
  }
}

/** Makes the present sizes those to compare with. */
export function acceptSizes() {
  const sizes = Object.fromEntries(Object.keys(recorded()).map((name) => [name, brotli(name)]));
  writeFileSync(budget, `${JSON.stringify(sizes, null, 2)}\n`);
}

const recorded = () => JSON.parse(readFileSync(budget, 'utf8'));

const brotli = (name) => sizeOf(readFileSync(join(pkg, name))).brotli;
