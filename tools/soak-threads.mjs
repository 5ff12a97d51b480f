// npm run soak-threads [-- COUNT]: threads that are created and ended while they hold locks and wait, in the oldest Node
// and the latest, beside as many that do nothing.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { makePackage } from './package.mjs';
import { Problem, root, say, script } from './run.mjs';
import { node } from './setup.mjs';

const count = Number(process.argv[2] ?? 10_000);

await script(async () => {
  await makePackage();
  for (const major of [20, 26]) {
    for (const isIdle of [true, false]) {
      const source = `
        import { soak } from ${JSON.stringify(join(root, 'js/tests/soak.mjs'))};
        console.log(JSON.stringify(await soak(${count}, { isIdle: ${isIdle} })));`;
      const args = ['--expose-gc', '--input-type=module', '--eval', source];
      const { status, stdout } = spawnSync(await node(major), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
      if (status !== 0 || !stdout) throw new Problem(`the soak failed in Node ${major} (${status})`);
      const { before, after } = JSON.parse(stdout);
      const perThread = ((after.rss - before.rss) / (count - 100) / 1024).toFixed(2);
      const change = `${perThread} KB a thread, ${after.handles - before.handles} handles, ${after.threads - before.threads} threads`;
      say(`Node ${major}, ${count} threads that ${isIdle ? 'only import the package' : 'hold locks and wait'}: ${change}`);
    }
  }
});
