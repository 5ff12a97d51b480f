// npm run sanitize [-- --only miri|tsan]: tests under the tools that watch each access to memory.

import { parseArgs } from 'node:util';
import { Problem, every, script } from './run.mjs';
import { miri, parts, tsan } from './sanitizers.mjs';

/** The parts of Miri, each of which can be chosen, and `miri` for all of them. */
const TOOLS = {
  ...Object.fromEntries(parts.map((part) => [`miri-${part}`, () => miri(part)])),
  tsan,
};

await script(async () => {
  const names = Object.keys(TOOLS);
  const asked = choose() ?? ['miri', 'tsan'];
  const chosen = asked.flatMap((name) => (name === 'miri' ? parts.map((part) => `miri-${part}`) : [name]));
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Problem(`there is no tool "${unknown}". Usage: npm run sanitize -- [--only a,b], out of miri, ${names.join(', ')}`);
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
