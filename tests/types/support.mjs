// The packed package, and a project that has it installed.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { bin, root } from '../../tools/run.mjs';
import { pkg } from '../../tools/size.mjs';

/** The compilers that applications may have: the current one, and the last that is written in JavaScript. */
export const compilers = {
  'TypeScript 7': bin('tsc'),
  'TypeScript 5': join(root, 'node_modules/typescript-5/bin/tsc'),
};

/** Runs a program. What it says is the message of the failure, if it fails. */
export function run(program, args, options = {}) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', ...options });
  } catch ({ message, stdout, stderr }) {
    throw new Error(`${message}\n${stdout}${stderr}`);
  }
}

/** Packs the package and installs it into a new project, far from what this repository has installed. */
export function install() {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-types-'));
  after(() => rmSync(folder, { recursive: true }));
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: pkg }));
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  const tarball = join(folder, filename);
  run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball], { cwd: project });
  return { tarball, project, installed: join(project, 'node_modules/crosslock') };
}

/** The examples of the package's README that import the package. */
export function readmeExamples() {
  return examples('pkg-template/README.md').filter((code) => /from 'crosslock/.test(code));
}

/** The JavaScript and TypeScript in a page. */
export function examples(page) {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(?:js|ts)\n(.*?)^```/gms)].map(([, code]) => code);
}
