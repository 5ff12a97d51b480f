// npm start [-- --with-node]: makes the npm package if need be, and serves the demo with it.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { makePackage } from './package.mjs';
import { Problem, script } from './run.mjs';

await script(async () => {
  const { port, host, withNode } = options();
  await makePackage();
  const { site } = await import('./site.mjs');
  const processes = withNode ? await (await import('./demo-processes.mjs')).startProcesses() : undefined;
  const server = createServer(site({ processes }));
  await listen(server, port, host);
  const name = host === '127.0.0.1' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  console.log(`crosslock demo: http://${name}:${server.address().port}/`);

  // Ctrl-C may come twice, from the terminal and from npm (and reaches us at all, when npm alone is
  // signalled, because package.json says `exec`: otherwise a shell would stand in between).
  const stop = () => {
    processes?.close();
    server.close();
    server.closeAllConnections();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
});

function options() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '8080' },
        host: { type: 'string', default: '127.0.0.1' },
        'with-node': { type: 'boolean', default: false },
      },
    });
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65535) throw new Error(`--port: ${values.port} is no port number`);
    return { port, host: values.host, withNode: values['with-node'] };
  } catch (error) {
    throw new Problem(`${error.message}. Usage: npm start -- [--port 8080] [--host 127.0.0.1] [--with-node]`);
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
