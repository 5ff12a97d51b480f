// Cloudflare's workerd, with what Wrangler's bundler makes of the package: it takes the entry `workerd`.

import assert from 'node:assert/strict';
import { globSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { execute, memoryOnly, project, tool } from './support.mjs';

test('workerd: memory locks, and the WebAssembly as a module', { timeout: 300_000 }, async () => {
  const folder = await project('workerd');
  await tool(folder, 'wrangler', 'deploy', '--dry-run', '--outdir', 'dist');
  const [wasm] = readdirSync(join(folder, 'dist')).filter((name) => name.endsWith('.wasm'));
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
    const worker :Workerd.Worker = (
      compatibilityDate = "2026-01-01",
      modules = [
        (name = "worker.js", esModule = embed "dist/worker.js"),
        (name = "${wasm}", wasm = embed "dist/${wasm}"),
      ],
    );`,
  );
  // The binary of its package for this platform: it needs no install script.
  const [workerd] = globSync('node_modules/@cloudflare/workerd-*/bin/workerd', { cwd: folder });
  const printed = await execute(folder, join(folder, workerd), ['test', 'config.capnp']);
  assert.deepEqual(JSON.parse(printed), { inlined: memoryOnly, byUrl: memoryOnly });
});
