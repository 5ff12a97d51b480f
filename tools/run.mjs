// Running other programs, and finding them.

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** A failure the reader can act on: shown without a stack trace. */
export class Problem extends Error {}

/** A program that an npm package brought. */
export const bin = (name) => join(root, 'node_modules/.bin', name);

export const say = (message) => console.log(`crosslock: ${message}`);

/** Runs a program in the repository with its output on the terminal; rejects unless it succeeds. */
export async function run(program, args, { env = {}, cwd = root } = {}) {
  const [file, ...first] = started(program);
  const child = spawn(file, [...first, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // Whoever stops us by a signal to this process alone must not leave the child behind.
  let stopped;
  const stop = (signal) => child.kill((stopped = signal));
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    const [code, signal] = await new Promise((resolve, reject) => {
      child.on('error', reject).on('close', (...ending) => resolve(ending));
    });
    if (stopped) process.exit(stopped === 'SIGINT' ? 130 : 143);
    if (code !== 0) {
      throw new Problem(`\`${[program, ...args].join(' ')}\` ${signal ? `was ended by ${signal}` : `failed with exit code ${code}`}`);
    }
  } catch (error) {
    if (error.code === 'ENOENT') throw new Problem(`\`${program}\` is not installed, or not on PATH`);
    throw error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** What a program prints, trimmed; undefined if it is missing or fails. */
export function output(program, ...args) {
  const [file, ...first] = started(program);
  // By default Node stops a program at 1 MB, which `cargo metadata` prints.
  const { status, stdout } = spawnSync(file, [...first, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  return status === 0 ? stdout.trim() : undefined;
}

/** On Windows npm is a script of the shell there, which cannot be started as a program is. npm says where it is itself. */
const started = (program) => (program === 'npm' && process.platform === 'win32' ? [process.execPath, process.env.npm_execpath] : [program]);

/** The full path of the first of these programs that is on PATH (or is a path itself). */
export function which(...names) {
  const dirs = (process.env.PATH ?? '').split(delimiter);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const candidates = names.flatMap((name) => (isAbsolute(name) ? [name] : dirs.map((dir) => join(dir, name + suffix))));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

/** Runs all of the parts, whatever the ones before them did, and fails if one failed. */
export async function every(parts) {
  const failed = [];
  for (const [name, run] of Object.entries(parts)) {
    say(name);
    try {
      await run();
    } catch (error) {
      console.error(error instanceof Problem ? error.message : error);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new Problem(`failed: ${failed.join(', ')}`);
}

/** Runs a script's `main`, turning what it throws into a message and an exit code. */
export async function script(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Problem ? `crosslock: ${error.message}` : error);
    process.exitCode = 1;
  }
}
