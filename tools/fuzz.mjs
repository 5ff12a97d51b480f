// npm run fuzz [-- TARGET… --seconds N --seed N]: has cargo-fuzz look for bytes over which a target of tests/fuzz breaks a promise.
// npm run fuzz -- --keep [TARGET…]: puts into tests/fuzz/corpus, for `npm test`, what reaches something that nothing else there does.

import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Problem, every, root, run, say, script } from './run.mjs';
import { cargoFuzz, nightly } from './setup.mjs';

const FOLDER = 'tests/fuzz';

const TARGETS = readdirSync(join(root, FOLDER, 'fuzz_targets')).map((file) => file.replace('.rs', ''));

/** The most bytes of an input: of a call of the npm package two, and of a step of the other models as many, up to 150 steps. */
const lengthFor = (target) => (target === 'npm' ? 1000 : 301);

const USAGE = `Usage: npm run fuzz -- [TARGET…] [--seconds N] [--seed N] [--keep], with targets out of ${TARGETS.join(', ')}`;

await script(async () => {
  const { targets, seconds, seed, keep } = choose();
  const fuzz = await setUp();
  await every(
    Object.fromEntries(targets.map((target) => [target, () => (keep ? keepOf(target, fuzz) : find(target, fuzz, seconds, seed))])),
  );
});

function choose() {
  let parsed;
  try {
    const options = { seconds: { type: 'string' }, seed: { type: 'string' }, keep: { type: 'boolean' } };
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Problem(`${error.message}. ${USAGE}`);
  }
  const { values, positionals } = parsed;
  const targets = positionals.length > 0 ? positionals : TARGETS;
  const unknown = targets.find((target) => !TARGETS.includes(target));
  if (unknown !== undefined) throw new Problem(`there is no target "${unknown}". ${USAGE}`);
  const number = (name, otherwise) => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 1 || value >= 2 ** 31) throw new Problem(`--${name} takes a whole number from 1. ${USAGE}`);
    return value;
  };
  const seed = number('seed', 1 + Math.floor(Math.random() * (2 ** 31 - 1)));
  return { targets, seconds: number('seconds', 60), seed, keep: values.keep };
}

/** Installs what is missing. Returns what has cargo-fuzz do something with a target: on these paths, with arguments for libFuzzer. */
async function setUp() {
  if (process.platform !== 'linux') throw new Problem('cargo-fuzz is tried here on Linux alone');
  const tool = await cargoFuzz();
  const toolchain = `+${await nightly()}`;
  const env = {
    ...tool,
    // A directory of its own, as for other kinds of builds.
    CARGO_TARGET_DIR: join(root, 'target/fuzz'),
    // To link seven programs that way takes minutes.
    CARGO_PROFILE_RELEASE_LTO: 'false',
  };
  const options = ['--fuzz-dir', FOLDER, '--features', 'libfuzzer'];
  return (command, target, paths, args) => run('cargo', [toolchain, 'fuzz', command, ...options, target, ...paths, '--', ...args], { env });
}

/** Runs a target for a while. What is of use for the next time stays outside of the repository. */
async function find(target, fuzz, seconds, seed) {
  say(`${target} for ${seconds} s, from seed ${seed}`);
  // Longer inputs soon: what is deep takes many steps.
  const limits = [`-max_total_time=${seconds}`, `-max_len=${lengthFor(target)}`, '-len_control=10', '-timeout=60', `-seed=${seed}`];
  const failed = await failures(target, () =>
    fuzz('run', target, [found(target), kept(target)], [...limits, '-print_final_stats=1', '-print_funcs=0']),
  );
  if (failed.length === 0) return;
  const smaller = await failures(target, () => fuzz('tmin', target, [failed[0]], ['-max_total_time=60', '-print_funcs=0']));
  const input = [failed[0], ...smaller].reduce((least, file) => (size(file) < size(least) ? file : least));
  say('To keep that as a test, which runs on stable Rust, give it a name that says what it is about:');
  console.log(`  cp ${input} ${relative(root, kept(target))}/a-name-in-words && npm test -- --only fuzz`);
  throw new Problem(`${target} fails over ${input}`);
}

/** The inputs that made a run fail, if they are what did. Those of a run before are written anew if they fail again. */
async function failures(target, run) {
  const before = artifacts(target);
  const written = () => [...artifacts(target)].filter(([file, when]) => before.get(file) !== when).map(([file]) => file);
  try {
    await run();
  } catch (error) {
    if (written().length === 0) throw error;
  }
  return written();
}

/** Replaces what cargo-fuzz has named. What a person has named stays. */
async function keepOf(target, fuzz) {
  const isNamedByHash = (name) => /^[0-9a-f]{40}$/.test(name);
  for (const name of readdirSync(kept(target)).filter(isNamedByHash)) renameSync(join(kept(target), name), join(found(target), name));
  // How often something is reached does not count: that would be hundreds of files.
  await fuzz('run', target, [kept(target), found(target)], ['-set_cover_merge=1', '-use_counters=0', `-max_len=${lengthFor(target)}`]);
  const files = readdirSync(kept(target)).map((name) => size(join(FOLDER, 'corpus', target, name)));
  say(`${target}: ${files.length} files of ${files.reduce((sum, bytes) => sum + bytes, 0)} bytes in ${relative(root, kept(target))}`);
}

/** The corpus that grows on this machine. */
function found(target) {
  const folder = join(root, 'target/fuzz/corpus', target);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The corpus in the repository. */
function kept(target) {
  return join(root, FOLDER, 'corpus', target);
}

/** Inputs that failed, from the root of the repository, and when they were written. */
function artifacts(target) {
  const folder = join(FOLDER, 'artifacts', target);
  mkdirSync(join(root, folder), { recursive: true });
  const files = readdirSync(join(root, folder)).map((name) => join(folder, name));
  return new Map(files.map((file) => [file, statSync(join(root, file)).mtimeMs]));
}

function size(file) {
  return statSync(join(root, file)).size;
}
