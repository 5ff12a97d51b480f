// npm run soak [-- --operations N] [--seed N]: long random use of memory and datadirs, checked afterwards against
// the contract (tests/history). `npm test` does the same for some seconds.

import { parseArgs } from 'node:util';
import { Problem, run, say, script } from './run.mjs';
import { rust } from './setup.mjs';

await script(async () => {
  const { operations, seed } = choose();
  await rust();
  say(`${operations} operations for each backend, with the seed ${seed}`);
  const env = { CROSSLOCK_OPERATIONS: operations, CROSSLOCK_SEED: seed };
  await run('cargo', ['test', '--release', '--package', 'crosslock-history', '--', '--nocapture', '--test-threads', '1'], { env });
});

function choose() {
  try {
    const { values } = parseArgs({ options: { operations: { type: 'string' }, seed: { type: 'string' } } });
    const { operations = '1000000', seed = String(Math.floor(Math.random() * 2 ** 32)) } = values;
    for (const number of [operations, seed]) if (!/^\d+$/.test(number)) throw new Error(`${number} is no number`);
    return { operations, seed };
  } catch (error) {
    throw new Problem(`${error.message}. Usage: npm run soak -- [--operations N] [--seed N]`);
  }
}
