// Finds the addon, which is a package of its own for each platform, and loads it at the first use.

import { unavailable } from '../errors.js';
import { read } from '../host.js';
import type { Addon } from './addon.js';
import { builtin, type Host } from './host.js';

/** The platforms that there are packages for. On Linux the C library decides, and only one of the two loads. */
const PLATFORMS: Record<string, string[]> = {
  'darwin arm64': ['darwin-arm64'],
  'darwin x64': ['darwin-x64'],
  'linux arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'linux x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'win32 x64': ['win32-x64'],
};

/**
 * Another version of the addon has the locks of this process. (Locks of one thread would not do instead: the
 * other version has the same keys.)
 *
 * @internal
 */
export class Conflict extends Error {}

let loaded: Addon | undefined;
let failure: (() => Error) | undefined;

/**
 * @throws LockError `UNAVAILABLE`, which names the package to install.
 * @internal
 */
export function addon(): Addon {
  if (failure) throw failure();
  try {
    return (loaded ??= load());
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    failure = () => unavailable(message, thrown);
    throw failure();
  }
}

function load(): Addon {
  const { process } = globalThis as Host;
  const platform = `${process?.platform} ${process?.arch}`;
  const names = (PLATFORMS[platform] ?? []).map((name) => `@crosslock/${name}`);
  if (!names.length) throw new Error(`crosslock has no native half for ${platform}`);
  const failed = new Set<string>();
  for (const base of bases()) {
    for (const name of names) {
      let found: Addon;
      try {
        found = builtin('node:module').createRequire(base)(name) as Addon;
      } catch (thrown) {
        failed.add(`${name}: ${(thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0]}`);
        continue;
      }
      const version = versionOf(found);
      if (version === CROSSLOCK_VERSION) return theOneOf(found);
      throw new Error(`${name} is version ${version} and crosslock is ${CROSSLOCK_VERSION}; install both again, in one step`);
    }
  }
  throw new Error(
    `the native half of crosslock could not be loaded; install the package ${names.join(' or ')} ${CROSSLOCK_VERSION}, ` +
      `which npm does by itself unless it is told to leave optional dependencies out (${[...failed].join('; ')})`,
  );
}

const versionOf = (addon: Addon) => (typeof addon.version === 'function' ? addon.version() : 'another');

/** The copy of the addon that has the locks of this process: this one, unless another installation has it loaded. */
function theOneOf(addon: Addon): Addon {
  const path = addon.claim();
  if (path === null) return addon;
  const other = builtin('node:module').createRequire(path)(path) as Addon;
  if (versionOf(other) === CROSSLOCK_VERSION && other.claim() === null) return other;
  throw new Conflict(
    `this process uses two versions of crosslock, whose locks would not exclude each other: ${CROSSLOCK_VERSION}, and ` +
      `${versionOf(other)} from ${path}, which was first; install one (\`npm ls crosslock\` shows who needs which)`,
  );
}

/**
 * From where to look for the package: from this file, or the bundle that it has become; then from the program,
 * and from where that was started.
 */
function bases(): string[] {
  const { process } = globalThis as Host;
  const found = [read(whereThisIs), process?.argv?.[1], process && `${process.cwd()}/`];
  return found.filter((base) => typeof base === 'string' && (/^([\\/]|[a-z]:)/i.test(base) || base.startsWith('file:'))) as string[];
}

/**
 * By the stack of an error: `import.meta` is a mistake for all that turns this file into a script, such as Jest
 * with Babel, and bundlers have it say where the file was on the machine of the build.
 */
const whereThisIs = () => /(?:\(|at )((?:file:|[\\/]|[a-z]:)[^\n]*?):\d+:\d+\)?$/im.exec(String(new Error().stack))?.[1];
