// npm run addons [-- PLATFORM…]: the packages @crosslock/<platform> of all platforms, or of those that are named, in
// target/npm. All of them link on Linux. Those of linux-x64-gnu, linux-x64-musl and win32-x64 are tested by `npm test`.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { apt } from './apt.mjs';
import { makeAddon, platforms } from './addon.mjs';
import { addresses, licences, version } from './package.mjs';
import { Problem, root, run, say, script } from './run.mjs';
import { zigbuild } from './setup.mjs';

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(platforms);

await script(async () => {
  const unknown = names.find((name) => !(name in platforms));
  if (unknown) throw new Problem(`there is no platform "${unknown}", only ${Object.keys(platforms).join(', ')}`);
  // macOS and Windows have the linkers of their own platforms; there it is not asked for.
  const zig = process.platform === 'linux' ? await zigbuild() : undefined;
  for (const name of names) {
    const folder = join(root, 'target/npm', name);
    rmSync(folder, { recursive: true, force: true });
    // For Windows there is MinGW, by which the tests have it as well.
    const isWindows = platforms[name].os === 'win32';
    if (isWindows) await apt('mingw');
    await makeAddon(name, folder, { version: version(), licences, addresses: addresses(), zig: isWindows ? undefined : zig });
    await run('npm', ['pack', '--loglevel=error', '--pack-destination', join(root, 'target/npm'), folder]);
    say(`made the package of ${name} in target/npm`);
  }
});
