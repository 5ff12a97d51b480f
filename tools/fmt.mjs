// npm run fmt: formats Rust, TypeScript, JavaScript and JSON, as the suites `fmt` and `lint` want them.

import { bin, run, script } from './run.mjs';
import { npmPackages, rustComponent } from './setup.mjs';

await script(async () => {
  await rustComponent('rustfmt');
  await run('cargo', ['fmt', '--all']);
  await npmPackages();
  await run(bin('biome'), ['format', '--write']);
});
