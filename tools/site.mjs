// What is served, by `npm start` and to the tab tests: the demo, with the built package under /crosslock/.

import { join } from 'node:path';
import sirv from 'sirv';
import { pkg } from './size.mjs';
import { root } from './run.mjs';

/** A request listener for an HTTP server. */
export function site() {
  // `dev` reads the disk on every request: a rebuilt package is there after a reload.
  const uncached = { dev: true, setHeaders: (response) => response.setHeader('Cache-Control', 'no-store') };
  const demo = sirv(join(root, 'www'), uncached);
  const built = sirv(pkg, uncached);

  return (request, response) => {
    const notFound = () => response.writeHead(404).end('Not found\n');
    const inPackage = request.url.match(/^\/crosslock(\/.*)$/);
    if (!inPackage) return demo(request, response, notFound);
    request.url = inPackage[1];
    built(request, response, notFound);
  };
}
