// The public API of the crate, kept in docs/api/, so that nothing in it changes unnoticed.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem, output, root, run, say } from './run.mjs';
import { publicApi } from './setup.mjs';

/** One listing for each half of the crate: what is there depends on the platform. */
const listings = {
  native: 'x86_64-unknown-linux-gnu',
  web: 'wasm32-unknown-unknown',
};

/** Compares the API with what was accepted, or accepts it. */
export async function checkApi({ accept = false } = {}) {
  const changes = [];
  for (const [name, target] of Object.entries(listings)) {
    const file = `docs/api/${name}.txt`;
    const path = join(root, file);
    const now = await list(target);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (now === before) continue;
    if (accept) {
      mkdirSync(join(root, 'docs/api'), { recursive: true });
      writeFileSync(path, now);
      say(`accepted the API in ${file}`);
    } else {
      changes.push(`in ${file}:`, ...difference(before, now));
    }
  }
  if (changes.length === 0) return;
  console.log(changes.join('\n'));
  throw new Problem(
    'the public API is not what was accepted. A line that is gone or changed breaks those who build on it, and so does ' +
      'a new method of a trait without a default body. If it is meant: npm test -- --only api --accept-api',
  );
}

async function list(target) {
  const { toolchain, program } = await publicApi(target);
  const directory = join(root, 'target/api'); // of its own, as the switch for unstable options has all built anew
  const env = { RUSTC_BOOTSTRAP: '1', CARGO_TARGET_DIR: directory };
  const json = ['-Z', 'unstable-options', '--output-format', 'json'];
  await run(
    'cargo',
    [...toolchain, 'rustdoc', '--quiet', '--package', 'crosslock', '--lib', '--all-features', '--target', target, '--', ...json],
    { env },
  );
  // What follows from the rest is left out: blanket implementations, and Send and Sync, which tests pin.
  const text = output(program, 'public-api', '-ss', '--rustdoc-json', join(directory, target, 'doc/crosslock.json'));
  if (text === undefined) throw new Problem(`cargo-public-api cannot read what rustdoc wrote for ${target}`);
  return `${text}\n`;
}

function difference(before, now) {
  const [old, current] = [before, now].map((text) => text.split('\n').filter(Boolean));
  const gone = old.filter((line) => !current.includes(line)).map((line) => `- ${line}`);
  const added = current.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return [...gone, ...added];
}
