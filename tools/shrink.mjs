// Makes smaller what a page loads, without changing what it does.

import { readFileSync, writeFileSync } from 'node:fs';
import { bin, run } from './run.mjs';

/** The features of WebAssembly that rustc uses. Chrome 96, Firefox 79, Safari 15 and Node 16 have all of them. */
export const features = ['bulk-memory', 'multivalue', 'mutable-globals', 'nontrapping-float-to-int', 'reference-types', 'sign-ext'].map(
  (feature) => `--enable-${feature}`,
);

/** Optimises what rustc made, and removes what is for tools: names, and who made it with which features. */
export async function shrinkWasm(wasm, into) {
  const strip = ['--strip-producers', '--strip-debug', '--strip-target-features'];
  await run(bin('wasm-opt'), ['-O3', '--converge', ...strip, ...features, wasm, '-o', into]);
}

/**
 * Shortens the local names of a module. Its functions and classes keep their names, which are seen in logs and
 * stack traces.
 */
export async function shortenLocals(file) {
  const esbuild = await import('esbuild');
  const code = readFileSync(file, 'utf8');
  // esbuild takes a file without exports and imports for a script, and keeps the top-level names of scripts.
  const [exports] = code.match(/export \{[^}]*\};\s*$/);
  const imports = code.match(/^import .*;$/gm) ?? [];
  const script = imports.reduce((script, statement) => script.replace(statement, ''), code.slice(0, -exports.length));
  const { code: shorter } = await esbuild.transform(script, { minify: true, target: 'es2022' });
  // Node prints the line that threw an uncaught error. That line must not contain all of the wasm.
  const lines = shorter.trimEnd().replace(/"[^"]{10000,}"/, '\n$&\n');
  writeFileSync(file, imports.join('') + lines + exports.replace(/\s+/g, ' '));
}

/**
 * Bytes as text, for js/src/decode.ts: in decimals, because browsers and Node convert these to bytes without a
 * loop of ours. Such a loop runs once, so it is never compiled. In Node 26 it took 3 to 5 ms, half of the time to
 * the first lock. The conversion of decimals takes 0.1 ms.
 *
 * Compressed, the text is 17 % larger than the bytes. (With one character for nearly every byte it would be 4 %.
 * With base64, for which not every browser has a function, it is 36 %.)
 */
export const encode = (bytes) => bytes.join(',');
