// npm start: makes the npm package if need be, and serves the demo with it.

import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makePackage, pkg } from './package.mjs';
import { Problem, root, script } from './run.mjs';

await script(async () => {
  const { port, host } = options();
  await makePackage();
  const { default: sirv } = await import('sirv');
  // `dev` reads the disk on every request: a rebuilt package is there after a reload.
  const uncached = { dev: true, setHeaders: (response) => response.setHeader('Cache-Control', 'no-store') };
  const demo = sirv(join(root, 'www'), uncached);
  const built = sirv(pkg, uncached);

  const server = createServer((request, response) => {
    const notFound = () => response.writeHead(404).end('Not found\n');
    const inPackage = request.url.match(/^\/crosslock(\/.*)$/);
    if (!inPackage) return demo(request, response, notFound);
    request.url = inPackage[1];
    built(request, response, notFound);
  });
  await listen(server, port, host);
  const name = host === '127.0.0.1' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  console.log(`crosslock demo: http://${name}:${server.address().port}/`);

  // Ctrl-C may come twice, from the terminal and from npm (and reaches us at all, when npm alone is
  // signalled, because package.json says `exec`: otherwise a shell would stand in between).
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
});

function options() {
  try {
    const { values } = parseArgs({
      options: { port: { type: 'string', default: '8080' }, host: { type: 'string', default: '127.0.0.1' } },
    });
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65535) throw new Error(`--port: ${values.port} is no port number`);
    return { port, host: values.host };
  } catch (error) {
    throw new Problem(`${error.message}. Usage: npm start -- [--port 8080] [--host 127.0.0.1]`);
  }
}

function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const why = {
        EADDRINUSE: `port ${port} is taken; choose another: npm start -- --port ${port + 1}`,
        EACCES: `not allowed to listen on port ${port}; choose one above 1023: npm start -- --port 8080`,
        EADDRNOTAVAIL: `this machine has no address ${host}`,
      }[error.code];
      reject(why ? new Problem(why) : error);
    });
    server.listen(port, host, resolve);
  });
}
