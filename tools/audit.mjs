// npm run audit: what is known against the packages of the lock files (RustSec and GitHub's advisories), and
// for crates also where they come from, and under which licences. It needs the network, and what it finds changes
// without a change of ours, so it is not in `npm test`: CI runs it by the clock.

import { Problem, run, script } from './run.mjs';
import { cargoDeny } from './setup.mjs';

await script(async () => {
  const failed = [];
  const check = async (what, ...command) => {
    try {
      await run(...command);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      console.error(error.message);
      failed.push(what);
    }
  };
  const env = await cargoDeny();
  await check('crates', 'cargo', ['deny', '--all-features', '--config', 'tools/deny.toml', 'check'], { env });
  await check('npm packages', 'npm', ['audit', '--audit=true']);
  if (failed.length > 0) throw new Problem(`look at, or could not be looked at: ${failed.join(', ')}`);
});
