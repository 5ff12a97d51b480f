// The code of a recipe's page, as its readers copy it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../../tools/run.mjs';

export const read = (name) => readFileSync(join(root, 'docs/recipes', `${name}.md`), 'utf8');

/** The blocks of code in a language. */
export const blocks = (name, language) =>
  [...read(name).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code);

/** Writes files beside each other in `folder`, and bundles `entry` of them for a page which has the package. */
export async function bundle(folder, files, entry) {
  mkdirSync(folder, { recursive: true });
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code);
  const { outputFiles } = await build({
    entryPoints: [join(folder, entry)],
    absWorkingDir: root,
    nodePaths: [join(root, 'node_modules')],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [
      {
        name: 'the package of the page',
        setup: ({ onResolve }) => onResolve({ filter: /^crosslock$/ }, () => ({ path: '/crosslock/index.js', external: true })),
      },
    ],
    logLevel: 'warning',
  });
  return outputFiles[0].text;
}
