// The licences of all that a dependant of the crate builds, on any platform.

import { Problem, output, say } from './run.mjs';

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
  check(['--features', 'conformance,serde'], allowed);
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

/** All packages that the crate needs itself, without those of its tests. */
function dependencies({ packages, resolve }, crate) {
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const ours = packages.find(({ name }) => name === crate).id;
  const seen = new Set([ours]);
  for (const id of seen) {
    const needed = nodes.get(id).deps.filter(({ dep_kinds: kinds }) => kinds.some(({ kind }) => kind !== 'dev'));
    for (const { pkg } of needed) seen.add(pkg);
  }
  return packages.filter(({ id }) => id !== ours && seen.has(id));
}

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
