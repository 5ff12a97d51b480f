// The examples of the READMEs are run as they stand there.

import './on-node.mjs';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { transform } from 'esbuild';
import { hasWebLocks, runNode } from './support.mjs';

const home = mkdtempSync(join(tmpdir(), 'crosslock-readme-'));
after(() => rmSync(home, { recursive: true }));

for (const name of ['README.md', 'pkg-template/README.md']) {
  test(`the JavaScript examples of ${name} run`, { timeout: 60_000 }, async () => {
    const text = readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
    const blocks = [...text.matchAll(/^```(?:js|ts|javascript|typescript)\n(.*?)^```/gms)].map(([, code]) => code);
    const examples = blocks.filter((code) => /from ['"]crosslock['"]/.test(code));
    assert.notEqual(examples.length, 0, `${name} has no example that imports crosslock`);
    for (const example of examples) {
      // Node 20 knows no `await using`.
      const { code } = await transform(example.replaceAll('"crosslock"', "'crosslock'"), { loader: 'ts', target: 'es2022', format: 'esm' });
      const { code: exit, stderr } = await runNode(code.replaceAll('"crosslock"', "'crosslock'").replaceAll('/home/me', home));
      if (exit === 0) continue;
      assert.ok(!hasWebLocks, stderr);
      assert.match(stderr, /no navigator\.locks/, 'on an old Node it may fail for that alone');
    }
  });
}
