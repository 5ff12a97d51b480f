// npm run bench [-- --only node,chromium,size] [--quick]: the JavaScript half, side by side with its peers.
// (The native half: cargo bench.)

import { parseArgs } from 'node:util';
import { makePackage } from './package.mjs';
import { Problem, run, script } from './run.mjs';
import { chromium, node } from './setup.mjs';

const parts = {
  async node(rounds) {
    await run(await node(26), ['--expose-gc', 'benches/js/node.mjs', String(rounds)]);
  },

  async chromium(rounds) {
    await chromium();
    const { benchChromium } = await import('../benches/js/chromium.mjs');
    await benchChromium({ rounds });
  },

  async size() {
    const { printPageSizes } = await import('../benches/js/size.mjs');
    await printPageSizes();
  },
};

await script(async () => {
  const { chosen, rounds } = choose();
  await makePackage({ limitSize: false });
  for (const name of chosen) await parts[name](rounds);
});

function choose() {
  const all = Object.keys(parts);
  try {
    const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean' } } });
    const chosen = values.only?.split(',') ?? all;
    const unknown = chosen.find((name) => !all.includes(name));
    if (unknown !== undefined) throw new Error(`there is no part "${unknown}"`);
    return { chosen, rounds: values.quick ? 5 : 15 };
  } catch (error) {
    const usage = `npm run bench -- [--only a,b] [--quick], with parts out of ${all.join(', ')}`;
    throw new Problem(`${error.message}. Usage: ${usage}`);
  }
}
