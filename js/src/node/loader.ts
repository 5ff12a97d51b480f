// Finds the addon, which is a package of its own for each platform, and loads it at the first use.

import { unavailable } from '../errors.js';
import type { Addon } from './addon.js';
import { builtin, type Host } from './host.js';

/** The platforms that there are packages for. On Linux the C library decides, and only one of the two loads. */
const PLATFORMS: Record<string, string[]> = {
  'darwin arm64': ['darwin-arm64'],
  'darwin x64': ['darwin-x64'],
  'linux arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'linux x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'win32 x64': ['win32-x64-msvc'],
};

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
      const version = typeof found.version === 'function' ? found.version() : 'another';
      if (version === CROSSLOCK_VERSION) return found;
      throw new Error(`${name} is version ${version} and crosslock is ${CROSSLOCK_VERSION}; install both again, in one step`);
    }
  }
  throw new Error(
    `the native half of crosslock could not be loaded; install the package ${names.join(' or ')} ${CROSSLOCK_VERSION}, ` +
      `which npm does by itself unless it is told to leave optional dependencies out (${[...failed].join('; ')})`,
  );
}

declare const __filename: string;

/**
 * From where to look for the package: from this file. A bundler may have it give the address that it had at
 * the build, or none. So then from the bundle, and from where the application was started.
 */
function bases(): string[] {
  const { url } = import.meta as { url?: string };
  const { process } = globalThis as Host;
  return [url, typeof __filename === 'string' ? __filename : undefined, process?.argv?.[1], process && `${process.cwd()}/`].filter(isBase);
}

/** `createRequire` takes no other. */
const isBase = (base: string | undefined): base is string =>
  typeof base === 'string' && (/^(\/|[a-z]:|\\\\)/i.test(base) || base.startsWith('file:'));
