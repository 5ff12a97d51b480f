// The licences of all that a dependant of the crate builds, on any platform, and where all packages come from.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem, output, root, say } from './run.mjs';

/** What everyone may use who may use crosslock, with no more than a notice. */
const allowed = ['MIT', 'Apache-2.0', 'Apache-2.0 WITH LLVM-exception', 'Zlib', 'Unicode-3.0'];

/**
 * What the feature `postgres` needs beside: no TLS in Rust is without. They ask for a notice as well. (ISC is
 * that of *ring* and of what checks certificates, BSD-3-Clause that of what compares digests.)
 */
const withPostgres = ['ISC', 'BSD-3-Clause'];

/** What the addon needs beside: what finds Node's functions on Windows is under it. */
const withNode = ['ISC'];

/** Fails if a dependency cannot be had under an allowed licence. */
export function checkLicences() {
  check(['--features', 'conformance,serde,tracing'], allowed);
  check(['--all-features'], [...allowed, ...withPostgres]);
  check([], [...allowed, ...withNode], 'crosslock-node');
}

function check(features, allowed, crate = 'crosslock') {
  const metadata = output('cargo', 'metadata', '--format-version', '1', '--locked', ...features);
  if (metadata === undefined) throw new Problem('`cargo metadata --locked` fails; is Cargo.lock up to date?');
  const found = dependencies(JSON.parse(metadata), crate);
  const refused = found.filter(({ license }) => !isAllowed(license, allowed));
  if (refused.length) {
    const list = refused.map(({ name, version, license }) => `${name} ${version} (${license ?? 'no licence is named'})`);
    throw new Problem(`not under ${allowed.join(', ')}: ${list.join('; ')}`);
  }
  const what = [crate, ...features].join(' ');
  say(`the licences of ${found.length} dependencies, over all platforms, are fine: ${what}`);
}

/**
 * Fails if a lock file has a package that does not come from the registry, or comes without a checksum: then
 * somebody could put another in its place. `npm run audit` asks besides what is known against them, by the network.
 */
export function checkSources() {
  const read = (...path) => readFileSync(join(root, ...path), 'utf8');
  for (const file of ['Cargo.lock', 'tests/versions/Cargo.lock']) refuse(file, unsafeCrates(read(file)));
  refuse('package-lock.json', unsafePackages(JSON.parse(read('package-lock.json'))));
  say('every package of the lock files comes from its registry, with a checksum');
}

function refuse(file, found) {
  if (found.length > 0) throw new Problem(`${file} has packages from elsewhere, or without a checksum: ${found.join(', ')}`);
}

/** The crates of this repository have no source. */
export function unsafeCrates(lockfile) {
  const crates = lockfile.split('[[package]]').slice(1);
  const isFine = (crate) =>
    !/^source = /m.test(crate) ||
    (/^source = "registry\+https:\/\/github\.com\/rust-lang\//m.test(crate) && /^checksum = "[0-9a-f]{64}"$/m.test(crate));
  return crates.filter((crate) => !isFine(crate)).map((crate) => crate.match(/^name = "(.+)"$/m)[1]);
}

/** The first package, which has no name, is this repository. */
export function unsafePackages({ packages }) {
  const isFine = ({ version, integrity }) => /^\d/.test(version) && /^sha512-/.test(integrity);
  return Object.keys(packages).filter((path) => path !== '' && !isFine(packages[path]));
}

/** All packages that the crate needs itself: without those that only its tests need, unless others are asked for. */
export function dependencies({ packages, resolve }, crate, isNeeded = isForMore) {
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const all = new Map(packages.map((found) => [found.id, found]));
  const ours = packages.find(({ name }) => name === crate).id;
  const seen = new Set([ours]);
  for (const id of seen) {
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      if (isNeeded(kinds, all.get(pkg))) seen.add(pkg);
    }
  }
  return packages.filter(({ id }) => id !== ours && seen.has(id));
}

const isForMore = (kinds) => kinds.some(({ kind }) => kind !== 'dev');

/** Whether an SPDX expression offers a way that is allowed. */
export function isAllowed(expression, allowed) {
  // Before SPDX, `/` stood for OR. Brackets, words, and WITH, which belongs to the licence before it.
  const tokens = (expression ?? '').replaceAll('/', ' OR ').match(/\(|\)|[^\s()]+( WITH [^\s()]+)?/g) ?? [];
  const term = () => {
    const token = tokens.shift();
    if (token !== '(') return allowed.includes(token);
    const inside = either();
    tokens.shift();
    return inside;
  };
  const all = () => {
    let fine = term();
    while (tokens[0] === 'AND') {
      tokens.shift();
      fine = term() && fine;
    }
    return fine;
  };
  const either = () => {
    let fine = all();
    while (tokens[0] === 'OR') {
      tokens.shift();
      fine = all() || fine;
    }
    return fine;
  };
  return either() && tokens.length === 0;
}
