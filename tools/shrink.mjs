// Makes what a page loads smaller, without a change of what it does.

import { readFileSync, writeFileSync } from 'node:fs';
import { bin, root, run } from './run.mjs';

/** What rustc uses of WebAssembly, which its text does not tell. Chrome 96, Firefox 79, Safari 15 and Node 16 have it all. */
export const features = ['bulk-memory', 'multivalue', 'mutable-globals', 'nontrapping-float-to-int', 'reference-types', 'sign-ext'].map(
  (feature) => `--enable-${feature}`,
);

/**
 * Optimises wasm-bindgen's output. The names by which the two halves know each other end in hashes,
 * which no compression can help; nobody else sees these names, so they become numbers.
 */
export async function shrinkWasm({ glue, wasm, into }) {
  const text = `${wasm}.wat`;
  await run(bin('wasm-opt'), ['-O3', '-S', wasm, '-o', text]);

  const short = new Map();
  const rename = (file) => {
    const hashed = /\b__?(wbg|wbindgen|wasm_bindgen)\w*_h?[0-9a-f]{16}\b|\bwasm_bindgen__\w+_h[0-9a-f]{16}\b/g;
    const number = (name) => short.get(name) ?? short.set(name, `$${short.size}`).get(name);
    writeFileSync(file, readFileSync(file, 'utf8').replace(hashed, number));
  };
  rename(glue);
  rename(text);
  await trimGlue(glue);
  await run(bin('wasm-opt'), ['-O3', '--converge', '--strip-producers', '--strip-debug', ...features, text, '-o', into]);
}

/**
 * Leaves of the glue what js/src/ uses: not the loaders, which expect a file beside the script, as do
 * bundlers that read them. All names are shortened, as nobody looks into what is generated.
 */
async function trimGlue(glue) {
  const esbuild = await import('esbuild');
  const contents = `export * from ${JSON.stringify(glue)}`;
  await esbuild.build({
    stdin: { contents, resolveDir: root },
    outfile: glue,
    allowOverwrite: true,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}

/**
 * Shortens the names of what is local in a module. Not those of its functions and classes, which show
 * in logs and stacks.
 */
export async function shortenLocals(file) {
  const esbuild = await import('esbuild');
  const code = readFileSync(file, 'utf8');
  // What neither exports nor imports is no module to esbuild, and the top-level names of other scripts are fixed.
  const [exports] = code.match(/export \{[^}]*\};\s*$/);
  const imports = code.match(/^import .*;$/gm) ?? [];
  const script = imports.reduce((script, statement) => script.replace(statement, ''), code.slice(0, -exports.length));
  const { code: shorter } = await esbuild.transform(script, { minify: true, target: 'es2022' });
  // Node shows the line of what threw an uncaught error: not with all of the wasm in it.
  const lines = shorter.trimEnd().replace(/"[^"]{10000,}"/, '\n$&\n');
  writeFileSync(file, imports.join('') + lines + exports.replace(/\s+/g, ' '));
}

/**
 * Bytes as text, for js/src/decode.ts: in decimals, because browsers and Node make bytes of these without
 * a loop of ours. Such a loop, which is run once and so never compiled, took 3 to 5 ms in Node 26 for what
 * takes 0.1 ms so, and that was half of the time to the first lock.
 *
 * Compressed, it is 17 % more than the bytes themselves. (One character for nearly every byte would be 4 %;
 * base64, which not all have a function for, is 36 %.)
 */
export const encode = (bytes) => bytes.join(',');
