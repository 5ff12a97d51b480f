// npm run release -- STEP: the steps of a release, in the order of RELEASING.md. The workflows call these and nothing else.

import { appendFileSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { platforms } from './addon.mjs';
import { version } from './package.mjs';
import { Problem, output, root, run, say, script } from './run.mjs';
import { pkg } from './size.mjs';
import { checkTarballs, integrity, names, tarballs } from './release/tarballs.mjs';

const USAGE = `Usage: npm run release -- check [--tag vX.Y.Z]
                               pack FOLDER
                               try FOLDER
                               publish FOLDER [--dry-run]
                               publish-crate
                               verify FOLDER [--unsigned]`;

await script(async () => {
  const { step, folder, options } = read();
  if (step === 'check') check(options.tag);
  else if (step === 'pack') await pack(folder);
  else if (step === 'try') await tryTarballs(folder);
  else if (step === 'publish') await publish(folder, options['dry-run']);
  else if (step === 'publish-crate') await publishCrate();
  else await verify(folder, options);
});

function read() {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { tag: { type: 'string' }, 'dry-run': { type: 'boolean' }, unsigned: { type: 'boolean' } },
    });
    const [step, folder, ...more] = positionals;
    const takesFolder = ['pack', 'try', 'publish', 'verify'].includes(step);
    if (more.length || (!takesFolder && !['check', 'publish-crate'].includes(step)) || takesFolder !== (folder !== undefined))
      throw new Error('which step?');
    // npm runs scripts in the repository, and says where it was called.
    return { step, folder: folder && resolve(process.env.INIT_CWD ?? '.', folder), options: values };
  } catch (error) {
    throw new Problem(`${error.message}\n${USAGE}`);
  }
}

/** One version everywhere, and, for a tag, a section of the changelog with its date. */
function check(tag) {
  const expected = version();
  const wrong = ['node/Cargo.toml'].filter((file) => !text(file).includes(`\nversion = "${expected}"\n`));
  for (const name of ['crosslock', 'crosslock-node']) {
    if (!text('Cargo.lock').includes(`name = "${name}"\nversion = "${expected}"\n`)) wrong.push(`Cargo.lock (${name})`);
  }
  const shown = expected.split('.').slice(0, 2).join('.');
  for (const [, found] of text('README.md').matchAll(/^crosslock = \{ version = "(.+?)"/gm)) {
    if (found !== shown) wrong.push(`README.md (${found})`);
  }
  if (wrong.length) throw new Problem(`Cargo.toml has version ${expected}; another one is in ${wrong.join(', ')}`);
  if (tag !== undefined) {
    if (tag !== `v${expected}`)
      throw new Problem(`the tag is ${tag}, and Cargo.toml has version ${expected}: the tag would be v${expected}`);
    const dated = new RegExp(`^## \\[${expected.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm');
    if (!dated.test(text('CHANGELOG.md'))) throw new Problem(`CHANGELOG.md has no line "## [${expected}] - YYYY-MM-DD"`);
    if (!/^repository = ".+"$/m.test(text('Cargo.toml'))) {
      throw new Problem('Cargo.toml has no repository, without which npm refuses provenance');
    }
    const dirty = output('git', 'status', '--porcelain');
    if (dirty !== '') throw new Problem(`what is here is not what was committed:\n${dirty}`);
  }
  say(`everything has version ${expected}`);
}

/** The npm package that `npm run build` has made, as a tarball. */
async function pack(folder) {
  if (!existsSync(join(pkg, 'package.json'))) throw new Problem('there is no package yet: npm run build');
  mkdirSync(folder, { recursive: true });
  await run('npm', ['pack', '--loglevel=error', '--pack-destination', folder, pkg]);
}

/** Installs what is for this machine of the tarballs into a project of its own, and locks with it. */
async function tryTarballs(folder) {
  const own = `@crosslock/${ownPlatform()}`;
  const files = tarballs(folder, version()).filter(({ name }) => name === 'crosslock' || name === own);
  if (files.length !== 2) throw new Problem(`${folder} has not both of crosslock and ${own}, version ${version()}`);
  await inProject(
    files.map(({ file }) => file),
    // No registry has the other platforms yet.
    ['--omit=optional'],
  );
}

/** The platform that npm would choose the package for. */
function ownPlatform() {
  const libc = process.platform === 'linux' ? (process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl') : undefined;
  const fits = ({ os, cpu, libc: its }) => os === process.platform && cpu === process.arch && its === libc;
  const name = Object.keys(platforms).find((name) => fits(platforms[name]));
  if (!name) throw new Problem(`crosslock has no native half for ${process.platform} ${process.arch}`);
  return name;
}

/** Installs packages into a project of its own, runs `more` there, and what shows that they lock. */
async function inProject(packages, options, more = async () => {}) {
  const project = mkdtempSync(join(tmpdir(), 'crosslock-release-'));
  try {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true }));
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...options, ...packages], { cwd: project });
    copyFileSync(join(root, 'tools/release/smoke.mjs'), join(project, 'smoke.mjs'));
    await more(project);
    await run(process.execPath, ['smoke.mjs'], { cwd: project });
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/**
 * Publishes the npm packages, those of the platforms first. What the registry has already is left alone, if it is
 * the same, so that a release which was interrupted goes on where it stopped.
 */
async function publish(folder, dryRun = false) {
  const files = checkTarballs(folder, version());
  for (const { name, file } of files) {
    if (!dryRun && isPublished(name, file)) {
      say(`${name} ${version()} is published already`);
      continue;
    }
    await run('npm', ['publish', file, '--access', 'public', ...(dryRun ? ['--dry-run'] : [])]);
  }
  say(dryRun ? `${files.length} packages would be published` : `${files.length} packages are published`);
}

/** Whether the registry has this very tarball. A failure to say is no answer. */
function isPublished(name, file) {
  const { status, stdout } = spawnSync(...npm('view', `${name}@${version()}`, 'dist.integrity', '--json'), { encoding: 'utf8' });
  const answer = stdout.trim() === '' ? undefined : JSON.parse(stdout);
  if (status !== 0) {
    if (answer?.error?.code === 'E404') return false;
    throw new Problem(
      `the registry does not say whether it has ${name} ${version()}: ${answer?.error?.summary ?? `npm failed with ${status}`}`,
    );
  }
  // A package that is there, without this version.
  if (answer === undefined) return false;
  if (answer === integrity(file)) return true;
  throw new Problem(`the registry has another ${name} ${version()} than ${file}: ${answer}. It needs a new version`);
}

/** What `spawnSync` takes for npm: as tools/run.mjs, which gives no output of a program that fails. */
function npm(...args) {
  return process.platform === 'win32' ? [process.execPath, [process.env.npm_execpath, ...args]] : ['npm', args];
}

/** Publishes the crate, which can never be taken back. cargo refuses a version that is there. */
async function publishCrate() {
  if (output('cargo', 'info', `crosslock@${version()}`, '--registry', 'crates-io') !== undefined) {
    return say(`the crate ${version()} is published already`);
  }
  await run('cargo', ['publish', '--package', 'crosslock']);
}

/** Looks at what the registries have, as their users get it. */
async function verify(folder, { unsigned = false }) {
  const files = checkTarballs(folder, version());
  for (const { name, file } of files) {
    if (!isPublished(name, file)) throw new Problem(`the registry has no ${name} ${version()}`);
  }
  say(`the registry has all ${names.length} npm packages, byte for byte`);
  // Online, as npm remembers for minutes that there was no such version.
  await inProject([`crosslock@${version()}`], ['--prefer-online'], async (project) => {
    if (!unsigned) await run('npm', ['audit', 'signatures'], { cwd: project });
  });
  await buildFromRegistry();
  const summary = process.env.GITHUB_STEP_SUMMARY;
  if (summary) appendFileSync(summary, `crosslock ${version()} is published, and locks.\n`);
}

/** Builds a program on the published crate. */
async function buildFromRegistry() {
  const project = mkdtempSync(join(tmpdir(), 'crosslock-release-'));
  try {
    const manifest = `[package]\nname = "user"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\ncrosslock = "=${version()}"\n`;
    mkdirSync(join(project, 'src'));
    writeFileSync(join(project, 'Cargo.toml'), manifest);
    const main = `fn main() {\n    let folder = std::env::args().nth(1).unwrap();\n    let locks = crosslock::platform_default(folder).unwrap();\n    println!("the crate locks: {}", locks.scope());\n}\n`;
    writeFileSync(join(project, 'src/main.rs'), main);
    await run('cargo', ['run', '--quiet', '--', 'datadir'], { cwd: project });
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

function text(file) {
  return readFileSync(join(root, file), 'utf8');
}
