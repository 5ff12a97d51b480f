// Tests under Miri and ThreadSanitizer, which see what a test run cannot: memory that is used wrongly or in no order.
// CONTRIBUTING.md says what each of them cannot run.

import { join } from 'node:path';
import { Problem, output, root, run, say } from './run.mjs';
import { nightly } from './setup.mjs';

/**
 * What Miri runs, in parts that end within minutes. Left out is what is about JavaScript, its text or PostgreSQL, and what is
 * named here.
 */
const PARTS = {
  'hand-off': {
    of: ['core::', 'driver::'],
    but: [
      'keeps_its_promises', // random steps of whole tabs, in one thread and safe Rust: minutes for one case
      // A thousand turns of the same.
      'a_wait_behind_a_young_grant',
      'another_tab_waits_for_two_grants',
      'other_tabs_wait_for_so_many_turns',
    ],
  },
  table: {
    of: ['key::', 'snapshot::', 'table::'],
    but: ['keys_are_spread'], // arithmetic over a thousand keys
  },
  kernel: {
    of: ['datadir_lock::', 'shared_datadir::', 'time::'],
    but: [
      // They open with O_NONBLOCK and O_NOCTTY, or lock.
      'a_file_that_was_deleted_before_it_was_locked',
      'all_are_known_who_were_found',
      'what_another_file_has_locked',
      'what_nobody_wants_any_more',
      'every_number_replaces_every_other', // getrlimit
      'the_cached_pid_is_that_of_the_process', // madvise
      'places_are_spread', // arithmetic over thousands of keys
      'shared_datadir::protocol::search', // a million states, in safe Rust alone
    ],
  },
  // What only threads show, each time in another order of them.
  threads: {
    tests: ['threads', 'edge'],
    but: ['datadir', 'other_processes'], // as above
    orders: 4,
  },
};

/** The names of the parts. */
export const parts = Object.keys(PARTS);

/** Runs the tests of a part in Miri. */
export async function miri(part) {
  const { of = [], but = [], tests, orders } = PARTS[part];
  const what = tests === undefined ? ['--lib'] : ['--features', '__edge', ...tests.flatMap((name) => ['--test', name])];
  // Files, and the time, are those of the machine.
  const flags = ['-Zmiri-disable-isolation', ...(orders === undefined ? [] : [`-Zmiri-many-seeds=0..${orders}`])];
  const env = {
    // A directory of its own, as for other kinds of builds.
    CARGO_TARGET_DIR: join(root, 'target/miri'),
    PROPTEST_CASES: '2',
    MIRIFLAGS: flags.join(' '),
  };
  const cargo = [`+${await nightly('miri', 'rust-src')}`, 'miri', 'test'];
  await run('cargo', [...cargo, ...what, '--', ...of, ...but.flatMap((name) => ['--skip', name])], { env });
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
