// npm run audit: what is known against the packages of the lock files (RustSec and GitHub's advisories), and
// for crates also where they come from, and under which licences. It needs the network, and what it finds changes
// without a change of ours, so it is not in `npm test`: CI runs it by the clock.

import { every, run, script } from './run.mjs';
import { cargoDeny } from './setup.mjs';

await script(async () => {
  const env = await cargoDeny();
  await every({
    crates: () => run('cargo', ['deny', '--all-features', '--config', 'tools/deny.toml', 'check'], { env }),
    'npm packages': () => run('npm', ['audit', '--audit=true']),
  });
});
