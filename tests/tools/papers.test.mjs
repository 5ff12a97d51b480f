// The papers at the top of the repository name files, suites and npm scripts: all of them are there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { root } from '../../tools/run.mjs';

const papers = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'SECURITY.md', 'BENCHMARKS.md', 'RELEASING.md'];
const read = (file) => readFileSync(join(root, file), 'utf8');
const folders = 'src|js|tests|tools|www|docs|examples|benches|pkg-template';

describe('papers', () => {
  for (const paper of papers) {
    test(`${paper} names files that exist`, () => {
      const text = read(paper);
      // `src/core`, `tests/datadir/death.rs`, and the links to files beside it.
      const paths = text.match(new RegExp(`(?<![\\w./<-])(${folders})/[\\w./-]*\\w`, 'g')) ?? [];
      const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path);
      const gone = [...new Set([...paths, ...links])].filter((path) => !existsSync(join(root, path)));
      assert.deepEqual(gone, []);
    });
  }

  test('the way of lock() is told in files that exist, twelve at most', () => {
    const [, way] = read('ARCHITECTURE.md').match(/^## The way of `lock\(\)`.*?\n(.*?)^## /ms);
    const steps = [...way.matchAll(/^(\d+)\. `([^`]+)`/gm)];
    assert.ok(steps.length > 3 && steps.length <= 12, `${steps.length} steps`);
    for (const [, , file] of steps) assert.ok(existsSync(join(root, file)), file);
  });

  test('every suite is in the table, and the other way round', () => {
    const { stderr } = spawnSync(process.execPath, ['tools/test.mjs', '--only', 'nothing'], { cwd: root, encoding: 'utf8' });
    const suites = stderr.match(/with suites out of (.*)/)[1].split(', ');
    const [, table] = read('CONTRIBUTING.md').match(/^\| suite \|.*?\n\| ---.*?\n(.*?)\n\n/ms);
    const named = table.split('\n').flatMap((row) =>
      row
        .split('|')[1]
        .match(/`\w+`/g)
        .map((name) => name.slice(1, -1)),
    );
    assert.deepEqual(named.sort(), suites.sort());
  });

  test('npm has the scripts that are named', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = papers.flatMap((paper) => [...read(paper).matchAll(/npm run (\w+)/g)].map(([, name]) => name));
    assert.ok(named.includes('fmt'));
    assert.deepEqual(
      [...new Set(named)].filter((name) => !scripts[name]),
      [],
    );
  });
});
