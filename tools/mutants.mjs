// npm run mutants [-- PART…] [OPTION…]: changes the code in one place at a time, and says which changes no test notices.
// The options are those of cargo-mutants: `npm run mutants -- shared --shard 3/20` makes a twentieth of the changes of a
// part, `npm run mutants -- datadir --re is_confirmed` those that are named so.
// .cargo/mutants.toml has what is left out; docs/mutants.md says why what survives may do so.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Problem, every, root, run, say, script } from './run.mjs';
import { mutants } from './setup.mjs';

/**
 * What is changed, the tests that are about it (all tests would take a day), and after how many seconds they are
 * taken to hang. Left out are tests that take long and are about nothing that others are not about as well: a storm
 * of kills finds what a machine does once in a thousand times, and a change is there every time.
 */
const PARTS = {
  'hand-off': { files: ['src/core/**'], tests: ['--lib'], only: ['core::', 'key::', 'driver::'], limit: 60 },
  table: {
    files: ['src/table.rs', 'src/table/**'],
    tests: ['--lib', '--test=memory', '--test=conformance'],
    // Of the conformance suite, what is about others than memory.
    without: ['core::', 'fcntl', 'flock', 'shared_datadir', 'plain'],
    limit: 60,
  },
  datadir: {
    files: ['src/datadir_lock.rs', 'src/datadir_lock/**'],
    tests: ['--lib', '--test=datadir', '--test=replacement', '--test=left_behind'],
    without: ['core::', 'table::', 'shared_datadir::', 'death::', 'deletes_and_opens', 'it_gets_in_when'],
    limit: 180,
  },
  shared: {
    files: ['src/shared_datadir.rs', 'src/shared_datadir/**'],
    but: ['src/shared_datadir/protocol.rs', 'src/shared_datadir/protocol/**'],
    tests: ['--lib', '--test=shared_datadir', '--test=conformance', '--test=edge'],
    features: ['__edge'],
    // Of the unit tests and the conformance suite, what is about others; and the search of the protocol.
    without: ['core::', 'table::', 'protocol::', 'memory', 'fcntl', 'flock', 'plain', 'storm', 'containers_on', 'a_grant_on_what'],
    limit: 60,
  },
  /** Its search looks first, and then what real processes see of each other. */
  protocol: {
    files: ['src/shared_datadir/protocol.rs', 'src/shared_datadir/protocol/**'],
    tests: ['--lib', '--test=shared_datadir'],
    without: ['core::', 'table::', 'datadir_lock::', 'storm', 'containers_on', 'a_grant_on_what'],
    limit: 60,
  },
};

await script(async () => {
  const given = process.argv.slice(2);
  const parts = given.findIndex((argument) => argument.startsWith('-'));
  const [named, options] = parts < 0 ? [given, []] : [given.slice(0, parts), given.slice(parts)];
  const chosen = named.length ? named : Object.keys(PARTS);
  const unknown = chosen.find((part) => !PARTS[part]);
  if (unknown)
    throw new Problem(
      `there is no part "${unknown}". Usage: npm run mutants -- [PART…] [OPTION…], with parts out of ${Object.keys(PARTS).join(', ')}`,
    );
  const env = {
    ...(await mutants()),
    CARGO_PROFILE_TEST_DEBUG: '0',
    // What a test notices at all it notices soon, and a smaller example helps nobody here.
    PROPTEST_CASES: '16',
    PROPTEST_MAX_SHRINK_ITERS: '0',
    // Most of them wait for most of their time.
    RUST_TEST_THREADS: '12',
  };
  const mutate = (part) => async () => {
    const { files, but = [], tests, features = [], only = [], without = [], limit } = PARTS[part];
    const output = join(root, 'target/mutants', part);
    mkdirSync(output, { recursive: true });
    say(`what survives is in ${output}/mutants.out/missed.txt`);
    const args = [
      ...['mutants', '--baseline', 'skip', '--timeout', String(limit), '--output', output],
      ...files.flatMap((file) => ['--file', file]),
      ...but.flatMap((file) => ['--exclude', file]),
      ...features.flatMap((name) => ['--features', name]),
      ...tests.map((test) => `--cargo-arg=${test}`),
      ...options,
      ...['--', '--', ...only, ...without.flatMap((name) => ['--skip', name])],
    ];
    await run('cargo', args, { env });
  };
  await every(Object.fromEntries(chosen.map((part) => [part, mutate(part)])));
});
