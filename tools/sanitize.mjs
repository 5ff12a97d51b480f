// npm run sanitize [-- --only miri|tsan]: tests under the tools that watch each access to memory.

import { parseArgs } from 'node:util';
import { Problem, every, script } from './run.mjs';
import { miri, tsan } from './sanitizers.mjs';

const TOOLS = {
  miri: () => miri({ orders: 16 }),
  tsan,
};

await script(async () => {
  const names = Object.keys(TOOLS);
  const chosen = choose() ?? names;
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Problem(`there is no tool "${unknown}". Usage: npm run sanitize -- [--only a,b], out of ${names.join(', ')}`);
  }
  await every(Object.fromEntries(chosen.map((name) => [name, TOOLS[name]])));
});

function choose() {
  try {
    return parseArgs({ options: { only: { type: 'string' } } }).values.only?.split(',');
  } catch (error) {
    throw new Problem(`${error.message}. Usage: npm run sanitize -- [--only miri|tsan]`);
  }
}
