// Tests under Miri and ThreadSanitizer, which see what a test run cannot: memory that is used wrongly or in no order.
// CONTRIBUTING.md says what each of them cannot run.

import { join } from 'node:path';
import { Problem, output, root, run, say } from './run.mjs';
import { nightly } from './setup.mjs';

/** What Miri runs of the crate's own tests: all that is not about JavaScript, its text or PostgreSQL. */
const OF_THE_CRATE = [
  ...['core::', 'datadir_lock::', 'driver::', 'key::', 'shared_datadir::', 'snapshot::', 'table::', 'time::'],
  // What it cannot run, or not in minutes.
  ...[
    'a_file_that_was_deleted_before_it_was_locked', // opens with O_NONBLOCK and O_NOCTTY
    'every_number_replaces_every_other', // getrlimit
    'the_cached_pid_is_that_of_the_process', // madvise
    'what_has_ended_is_known', // the child that it starts
    'shared_datadir::protocol::search', // a million states, in safe Rust alone
    'capacity_is_given_back', // a hundred thousand keys
    'places_are_spread', // the same
    'memory_for_many_requests', // the same
    'local_locks_are_as_the_specification_has_them', // every order of many steps, in safe Rust alone
    'keeps_its_promises', // random steps of the hand-off, in safe Rust alone; the scenarios are run
  ].flatMap((name) => ['--skip', name]),
];

/** Runs tests in Miri; the threads of tests/threads.rs in so many orders. */
export async function miri({ orders }) {
  const cargo = [`+${await nightly('miri', 'rust-src')}`, 'miri', 'test'];
  const env = {
    // A directory of its own, as for other kinds of builds.
    CARGO_TARGET_DIR: join(root, 'target/miri'),
    PROPTEST_CASES: '2',
    // Files, and the time, are those of the machine.
    MIRIFLAGS: '-Zmiri-disable-isolation',
  };
  await run('cargo', [...cargo, '--lib', '--', ...OF_THE_CRATE], { env });
  const seeds = `${env.MIRIFLAGS} -Zmiri-many-seeds=0..${orders}`;
  const threads = ['--features', '__edge', '--test', 'threads', '--test', 'edge', '--', '--skip', 'datadir', '--skip', 'other_processes'];
  await run('cargo', [...cargo, ...threads], { env: { ...env, MIRIFLAGS: seeds } });
}

/** Runs tests with ThreadSanitizer, and with a standard library that was compiled with it. */
export async function tsan() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Problem('ThreadSanitizer runs here on Linux alone, on x86-64 and AArch64. Leave it out: npm run sanitize -- --only miri');
  }
  const toolchain = `+${await nightly('rust-src')}`;
  const target = output('rustc', toolchain, '--print', 'host-tuple');
  const cargo = [toolchain, 'test', '-Zbuild-std', '--target', target];
  const env = {
    CARGO_TARGET_DIR: join(root, 'target/tsan'),
    RUSTFLAGS: '-Zsanitizer=thread',
    // As much as its reports need.
    CARGO_PROFILE_DEV_DEBUG: 'line-tables-only',
    PROPTEST_CASES: '8',
  };
  const tests = ['--lib', ...['threads', 'edge', 'memory', 'conformance'].flatMap((name) => ['--test', name])];
  // A million states, in one thread.
  const but = ['--', '--skip', 'shared_datadir::protocol::search'];
  await run('cargo', [...cargo, '--features', '__edge', ...tests, ...but], { env });
  say('what clients of one process saw');
  await run('cargo', [...cargo, '--package', 'crosslock-history', '--test', 'one_process'], {
    env: { ...env, CROSSLOCK_OPERATIONS: '5000' },
  });
}
