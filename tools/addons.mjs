// npm run addons [-- PLATFORM…]: the packages @crosslock/<platform> of other platforms, as far as they can be made here,
// in target/npm. Without a name those of Linux. Of the others darwin-arm64 links as well; nothing but linux-x64-gnu has
// been run so far. darwin-x64 needs its Rust target, and win32-x64-msvc the linker of MSVC.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeAddon, platforms } from './addon.mjs';
import { addresses, licences, version } from './package.mjs';
import { Problem, root, run, say, script } from './run.mjs';
import { zigbuild } from './setup.mjs';

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(platforms).filter((name) => name.startsWith('linux'));

await script(async () => {
  const unknown = names.find((name) => !(name in platforms));
  if (unknown) throw new Problem(`there is no platform "${unknown}", only ${Object.keys(platforms).join(', ')}`);
  // macOS and Windows have the linkers of their own platforms; there it is not asked for.
  const zig = process.platform === 'linux' ? await zigbuild() : undefined;
  for (const name of names) {
    const folder = join(root, 'target/npm', name);
    rmSync(folder, { recursive: true, force: true });
    await makeAddon(name, folder, { version: version(), licences, addresses: addresses(), zig });
    await run('npm', ['pack', '--loglevel=error', '--pack-destination', join(root, 'target/npm'), folder]);
    say(`made the package of ${name} in target/npm`);
  }
});
