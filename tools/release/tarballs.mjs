// The tarballs of a release: one of the npm package, and one of each platform. What is in them is looked at here.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { platforms } from '../addon.mjs';
import { NOTICES } from '../notices.mjs';
import { Problem } from '../run.mjs';

/** What npm calls the tarball of a package. */
export const tarballName = (name, version) => `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;

/** In the order in which they are published: nobody gets a package before what it depends on. */
export const names = [...Object.keys(platforms).map((platform) => `@crosslock/${platform}`), 'crosslock'];

/** The tarballs in a folder, in the order in which they are published, as far as they are there. */
export function tarballs(folder, version) {
  if (!existsSync(folder)) throw new Problem(`there is no folder ${folder}`);
  const found = names.map((name) => ({ name, file: join(folder, tarballName(name, version)) })).filter(({ file }) => existsSync(file));
  const expected = new Set(found.map(({ file }) => file));
  const strange = readdirSync(folder).filter((name) => name.endsWith('.tgz') && !expected.has(join(folder, name)));
  if (strange.length) throw new Problem(`${folder} has ${strange.join(', ')}, which is no package of version ${version}`);
  return found;
}

/** Throws unless the folder has every package of the release, each with what its name says. */
export function checkTarballs(folder, version) {
  const found = tarballs(folder, version);
  const missing = names.filter((name) => !found.some((one) => one.name === name));
  if (missing.length) throw new Problem(`${folder} lacks ${missing.map((name) => tarballName(name, version)).join(', ')}`);
  for (const { name, file } of found) {
    const manifest = JSON.parse(entry(file, 'package/package.json'));
    if (manifest.name !== name || manifest.version !== version) {
      throw new Problem(`${file} has ${manifest.name} ${manifest.version} in it, and not ${name} ${version}`);
    }
    // Without the notices of what is compiled into it nobody may pass it on.
    if (!/\(MIT\b/.test(entry(file, `package/${NOTICES}`))) throw new Problem(`${file} has no notices in ${NOTICES}`);
    if (name === 'crosslock') checkDependencies(file, manifest, version);
    else checkAddon(file, name.slice('@crosslock/'.length));
  }
  return found;
}

/** Exactly this version of each platform: the halves of the package know each other's numbers. */
function checkDependencies(file, { optionalDependencies = {} }, version) {
  const expected = Object.fromEntries(names.filter((name) => name !== 'crosslock').map((name) => [name, version]));
  const wrong = [...new Set([...Object.keys(expected), ...Object.keys(optionalDependencies)])].filter(
    (name) => expected[name] !== optionalDependencies[name],
  );
  if (wrong.length) throw new Problem(`${file} depends on ${wrong.map((name) => `${name} ${optionalDependencies[name]}`).join(', ')}`);
}

/** A library for another platform would load nowhere, and its package be taken for broken by all who have that platform. */
function checkAddon(file, platform) {
  const { os, cpu, libc } = platforms[platform];
  const expected = [os, cpu, libc].filter(Boolean).join(' ');
  const found = madeFor(entry(file, 'package/crosslock.node', 'buffer'));
  if (found !== expected) throw new Problem(`the library in ${file} is for ${found}, and not for ${expected}`);
}

/** What a library is for, by its header; of those for Linux also the C library that it is linked with. */
export function madeFor(library) {
  const cpuOf = (cpus, id) => cpus[id] ?? `processor 0x${id.toString(16)}`;
  if (library.length < 64) return 'nothing';
  if (library.readUInt32BE(0) === 0x7f454c46) {
    const libc = library.includes('libc.so.6\0') ? 'glibc' : 'musl';
    return `linux ${cpuOf({ 62: 'x64', 183: 'arm64' }, library.readUInt16LE(18))} ${libc}`;
  }
  if (library.readUInt32LE(0) === 0xfeedfacf) {
    return `darwin ${cpuOf({ 16777223: 'x64', 16777228: 'arm64' }, library.readUInt32LE(4))}`;
  }
  const pe = library.readUInt32LE(0x3c);
  if (library.toString('latin1', 0, 2) === 'MZ' && library.toString('latin1', pe, pe + 4) === 'PE\0\0') {
    return `win32 ${cpuOf({ 34404: 'x64', 43620: 'arm64' }, library.readUInt16LE(pe + 4))}`;
  }
  return 'nothing that is known';
}

/** A file in a tarball. `tar` is on every system that releases are made on, on Windows as well. */
function entry(file, path, encoding = 'utf8') {
  const { status, stdout, error } = spawnSync('tar', ['-xzOf', file, path], { encoding, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Problem(`${file} has no ${path}, or cannot be read: ${error?.message ?? `tar failed with ${status}`}`);
  return stdout;
}

/** As npm writes it, in its lockfiles and in the registry. */
export const integrity = (file) => `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
