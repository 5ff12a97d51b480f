// A registry of npm packages in this process: what a release is published to here, as no test may publish to the real one.

import { createServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function registry(t) {
  const packages = new Map();
  const tarballs = new Map();
  const published = [];
  /** Set by tests: what the registry answers to, by method and name, with a failure of its own. */
  const broken = new Set();
  const server = createServer(async (request, response) => {
    const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const path = decodeURIComponent(new URL(request.url, 'http://registry').pathname.slice(1));
    if (broken.has(`${request.method} ${path}`)) return answer(503, { error: 'not now' });
    if (request.method === 'GET' && tarballs.has(path)) return response.writeHead(200).end(tarballs.get(path));
    if (request.method === 'GET') return packages.has(path) ? answer(200, packages.get(path)) : answer(404, { error: 'not found' });
    if (request.method !== 'PUT') return answer(404, { error: 'not found' });
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { _attachments, access, ...document } = JSON.parse(Buffer.concat(chunks));
    // As the real one: what has a scope is private, for which nobody has paid here.
    if (path.startsWith('@') && access !== 'public') return answer(402, { error: 'private packages take a payment' });
    const known = packages.get(path);
    const [version] = Object.keys(document.versions);
    if (known?.versions[version]) return answer(409, { error: 'there is such a version' });
    for (const [name, { data }] of Object.entries(_attachments)) tarballs.set(`tarballs/${name}`, Buffer.from(data, 'base64'));
    const [name] = Object.keys(_attachments);
    document.versions[version].dist.tarball = `${address}tarballs/${encodeURIComponent(name)}`;
    packages.set(path, { ...document, versions: { ...known?.versions, ...document.versions } });
    published.push(path);
    answer(201, { ok: true });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `//127.0.0.1:${server.address().port}/`;
  const address = `http:${host}`;

  const home = mkdtempSync(join(tmpdir(), 'crosslock-registry-'));
  const config = join(home, 'npmrc');
  // A failure is a failure at once; npm would try again for a minute.
  writeFileSync(config, `registry=${address}\n${host}:_authToken=none\nfetch-retries=0\naudit=false\n`);
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(home, { recursive: true, force: true });
  });
  return {
    published,
    packages,
    broken,
    env: { NPM_CONFIG_USERCONFIG: config, NPM_CONFIG_CACHE: join(home, 'cache'), NPM_CONFIG_REGISTRY: address },
  };
}
