// npm run mutants [-- PART…]: changes the code in one place at a time, and says which changes no test notices.
// .cargo/mutants.toml has what is left out; docs/mutants.md says why what survives may do so.

import { join } from 'node:path';
import { Problem, every, root, run, say, script } from './run.mjs';
import { mutants } from './setup.mjs';

/** What is changed, and the tests that are about it: all tests would take a day. */
const PARTS = {
  'hand-off': { files: ['src/core/**'], tests: ['--lib'], names: ['core::', 'key::', 'driver::'] },
  table: { files: ['src/table.rs', 'src/table/**'], tests: ['--lib', '--test=memory'], names: [] },
  datadir: { files: ['src/datadir_lock.rs', 'src/datadir_lock/**'], tests: ['--lib', '--test=datadir', '--test=replacement'], names: [] },
  shared: { files: ['src/shared_datadir.rs', 'src/shared_datadir/**'], tests: ['--lib', '--test=shared_datadir'], names: [] },
};

await script(async () => {
  const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PARTS);
  const unknown = chosen.find((part) => !PARTS[part]);
  if (unknown)
    throw new Problem(`there is no part "${unknown}". Usage: npm run mutants -- [PART…], out of ${Object.keys(PARTS).join(', ')}`);
  const env = {
    ...(await mutants()),
    CARGO_PROFILE_TEST_DEBUG: '0',
    // What a test notices at all it notices soon, and a smaller example helps nobody here.
    PROPTEST_CASES: '16',
    PROPTEST_MAX_SHRINK_ITERS: '0',
  };
  const mutate = (part) => async () => {
    const { files, tests, names } = PARTS[part];
    const output = join(root, 'target/mutants', part);
    say(`what survives is in ${output}/mutants.out/missed.txt`);
    const args = [
      ...['mutants', '--baseline', 'skip', '--jobs', '1', '--timeout', '60', '--output', output],
      ...files.flatMap((file) => ['--file', file]),
      ...tests.map((test) => `--cargo-arg=${test}`),
      ...['--', '--', ...names],
    ];
    await run('cargo', args, { env });
  };
  await every(Object.fromEntries(chosen.map((part) => [part, mutate(part)])));
});
