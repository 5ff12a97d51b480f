// The program in Rust that the tests of datadirs work beside: examples/wallet.rs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

let program;

/** Where it is. It is built when this is first called, unless it was built for a machine that has no cargo. */
export const walletProgram = () => (program ??= process.env.CROSSLOCK_TEST_WALLET ?? build());

function build() {
  const built = spawnSync('cargo', ['build', '--quiet', '--example', 'wallet', '--message-format', 'json'], {
    cwd: new URL('../..', import.meta.url).pathname,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal(built.status, 0);
  const messages = built.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return messages.find(({ executable, target }) => executable && target.name === 'wallet').executable;
}
