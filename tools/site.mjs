// The site: what is in www/, with its TypeScript compiled and its code shown, the repository's papers as pages,
// and the built package under crosslock/. Served by `npm start` and to the tab tests; written to a folder by
// `npm run site -- FOLDER`, to be published at whatever address.

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transform } from 'esbuild';
import sirv from 'sirv';
import { showCode } from './code.mjs';
import { paperPage, paperPages, showPapers } from './papers.mjs';
import { root } from './run.mjs';
import { pkg } from './size.mjs';

const www = join(root, 'www');

/** Writes the whole site into a folder. */
export async function writeSite(folder) {
  cpSync(pkg, join(folder, 'crosslock'), { recursive: true });
  for (const source of readdirSync(www, { recursive: true })) {
    const name = source.replace(/\.ts$/, '.js');
    if (!/\.(html|css|js|png)$/.test(name)) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), (await made(name))?.text ?? readFileSync(join(www, source)));
  }
  for (const name of paperPages) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), paperPage(name));
  }
}

/**
 * A request listener for an HTTP server. It reads the disk every time: a change is there after a reload. With
 * `processes` the demo shows what `npm start -- --with-node` runs beside it.
 */
export function site({ processes } = {}) {
  const uncached = { dev: true, setHeaders: (response) => response.setHeader('Cache-Control', 'no-store') };
  const asIs = sirv(www, uncached);
  const built = sirv(pkg, uncached);
  // By `npm run docs`, if that was run.
  const references = sirv(join(root, 'target/docs/api'), uncached);

  return async (request, response) => {
    if (processes?.serve(request, response)) return undefined;
    const notFound = () => response.writeHead(404).end('Not found\n');
    const [path] = request.url.split('?');
    const inPackage = path.match(/^\/crosslock(\/.*)$/);
    if (inPackage) {
      request.url = inPackage[1];
      return built(request, response, notFound);
    }
    const inReferences = path.match(/^\/api(\/.*)$/);
    if (inReferences) {
      request.url = inReferences[1];
      return references(request, response, () => response.writeHead(404).end('Not made yet: npm run docs\n'));
    }
    try {
      const page = await made(path.slice(1) || 'index.html');
      if (!page) return asIs(request, response, notFound);
      const text = page.text.replace('<!-- processes -->', () => processes?.section ?? '');
      response.writeHead(200, { 'Content-Type': page.type, 'Cache-Control': 'no-store' }).end(text);
    } catch (error) {
      console.error(error);
      response.writeHead(500).end('Could not be made; the server has said why\n');
    }
  };
}

/** A file of the site that is not in www/ as it is: a compiled script, or a page with code in it. */
async function made(name) {
  if (paperPages.includes(name)) return { type: 'text/html; charset=utf-8', text: paperPage(name) };
  const [, path, extension] = name.match(/^([\w/-]+)\.(js|html)$/) ?? [];
  const source = path && join(www, `${path}.${extension === 'js' ? 'ts' : 'html'}`);
  if (!source || !existsSync(source)) return undefined;
  const text = readFileSync(source, 'utf8');
  if (extension === 'html') return { type: 'text/html; charset=utf-8', text: showPapers(showCode(text)) };
  const { code } = await transform(text, {
    loader: 'ts',
    target: 'es2022',
    sourcefile: `${path}.ts`,
    sourcemap: 'inline',
  });
  return { type: 'text/javascript; charset=utf-8', text: code };
}
