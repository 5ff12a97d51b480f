// Where the programs of the PostgreSQL server are. Debian keeps them off PATH, a folder for each version.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const VERSIONS = '/usr/lib/postgresql';

/** The folder with `initdb` and its like: what PG_BINDIR names, or the newest. */
export function locatePostgres() {
  if (process.env.PG_BINDIR) return process.env.PG_BINDIR;
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : [];
  const folders = versions.sort((a, b) => b - a).map((version) => join(VERSIONS, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}
