// The package as its users have it: packed, installed into projects of their own, built by their tools.

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import sirv from 'sirv';
import { args, executablePath } from '../../tools/chromium.mjs';
import { pkg } from '../../tools/size.mjs';
import { cache } from '../../tools/setup.mjs';

/** What the scenario gives where there are Web Locks, and where there are none. */
export const everywhere = { memory: 'exclusive', web: 'exclusive', platform: 'exclusive', badKey: 'INVALID_KEY' };
export const memoryOnly = { ...everywhere, web: 'UNAVAILABLE', platform: 'UNAVAILABLE' };

/** Beside the addon, where there are Web Locks and where there are none: the default needs none. */
export const byAddon = { ...everywhere, web: 'UNAVAILABLE' };

/** What `native.js` gives where there is the addon. */
export const ofAServer = { scope: 'process', default: 'process', datadir: 'ALREADY_HELD', shared: true };

const here = fileURLToPath(new URL('.', import.meta.url));
const projects = join(cache, 'places');
const KEPT = 3; // so many copies of a project: other checkouts may be using one

const env = {
  ...process.env,
  // The tools run with the same Node as the tests, not with another one on PATH.
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  NEXT_TELEMETRY_DISABLED: '1',
  NO_COLOR: '1',
};
delete env.NODE_TEST_CONTEXT; // else a Node that is started here reports to our test runner

/**
 * A copy of the project in this folder, with what it depends on and the package's tarball installed.
 * It is outside of the repository, where no tool can find our own node_modules, and is kept for as long
 * as neither the package nor the project changes. Returns its folder.
 */
export async function project(name) {
  const source = join(here, name);
  const snippets = ['scenario.js', 'native.js'].map((file) => join(here, file));
  const folder = join(projects, `${name}-${fingerprint(pkg, source, ...snippets)}`);
  if (!existsSync(folder)) {
    mkdirSync(projects, { recursive: true });
    // Renamed when it is complete: what was interrupted is done again.
    const unfinished = mkdtempSync(join(projects, `${name}-unfinished-`));
    cpSync(source, unfinished, { recursive: true });
    for (const snippet of snippets) cpSync(snippet, join(unfinished, basename(snippet)));
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', '--loglevel=error'];
    await execute(unfinished, 'npm', ['install', ...options, ...(await pack())]);
    renameSync(unfinished, folder);
  }
  const now = new Date();
  utimesSync(folder, now, now);
  removeOld(name);
  return folder;
}

let packed;

/** Packs what is in pkg/, and the addon for this machine. Returns the paths of the tarballs. */
function pack() {
  packed ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'crosslock-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    const scope = join(pkg, 'node_modules/@crosslock');
    const addons = existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name)) : [];
    await execute(folder, 'npm', ['pack', '--loglevel=error', pkg, ...addons]);
    return readdirSync(folder).map((name) => join(folder, name));
  })();
  return packed;
}

/** Leaves the copies of a project that were used last. */
function removeOld(name) {
  const copies = readdirSync(projects)
    .filter((entry) => entry.startsWith(`${name}-`))
    .map((entry) => join(projects, entry));
  const age = (path) => Date.now() - statSync(path).mtimeMs;
  copies.sort((a, b) => age(a) - age(b));
  for (const path of copies.slice(KEPT)) rmSync(path, { recursive: true, force: true });
}

/** A hash of the files, by their contents and their names. */
function fingerprint(...paths) {
  const hash = createHash('sha256');
  const add = (path, name) => {
    if (statSync(path).isDirectory()) {
      for (const entry of readdirSync(path).sort()) add(join(path, entry), `${name}/${entry}`);
    } else {
      hash.update(name).update('\0').update(readFileSync(path));
    }
  };
  for (const [i, path] of paths.entries()) add(path, String(i));
  return hash.digest('hex').slice(0, 16);
}

/** Runs a program that the project installed. */
export const tool = (folder, name, ...args) => execute(folder, join(folder, 'node_modules/.bin', name), args);

/** Runs a program to its end. Returns what it printed, and shows it if it fails. */
export function execute(cwd, program, args, variables = {}) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env: { ...env, ...variables }, maxBuffer: 1 << 26, timeout: 400_000 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      reject(new Error(`\`${[program, ...args].join(' ')}\` in ${cwd} failed (${error.code ?? error.signal}):\n${stdout}${stderr}`));
    });
  });
}

/** Starts a server that the project installed, until the end of the test. Returns its address as it prints it. */
export function startTool(t, folder, name, ...args) {
  const variables = typeof args.at(-1) === 'object' ? args.pop() : {};
  // In a process group of its own, for what it starts in turn.
  const child = spawn(join(folder, 'node_modules/.bin', name), args, { cwd: folder, env: { ...env, ...variables }, detached: true });
  const stop = () => {
    process.off('exit', stop);
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {} // it ended by itself
  };
  process.on('exit', stop);
  t.after(stop);
  return new Promise((resolve, reject) => {
    let printed = '';
    const read = (text) => {
      printed += text;
      const address = printed.match(/http:\/\/localhost:\d+(?=\D)/);
      if (address) resolve(address[0]);
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.on('error', reject).on('close', () => reject(new Error(`${name} ended before it served:\n${printed}`)));
  });
}

// Or a signal would end us without an `exit`, and leave servers behind.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Serves a folder until the end of the test. Returns its address. */
export async function serve(t, folder) {
  const server = createServer(sirv(folder, { dev: true }));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://localhost:${server.address().port}`;
}

/** Opens the page in a browser of its own. Returns its `globalThis.result`; rejects at any error in the page. */
export async function resultOf(t, address) {
  const browser = await chromium.launch({ executablePath, args });
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  const failed = new Promise((_, reject) => {
    page.on('pageerror', reject);
    page.on('console', (message) => message.type() === 'error' && reject(new Error(`console: ${message.text()}`)));
  });
  const result = async () => {
    await page.goto(address);
    await page.waitForFunction(() => 'result' in globalThis);
    return page.evaluate(() => globalThis.result);
  };
  return Promise.race([result(), failed]);
}
