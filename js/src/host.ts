// Where we run: whether there is a lock manager, and if not, why not. All of it may be missing, may throw, and
// may have been replaced by a test suite.

import { text } from './describe.js';

interface Host {
  navigator?: { locks?: unknown; userAgent?: unknown };
  isSecureContext?: unknown;
  process?: { type?: unknown; versions?: Record<string, unknown> };
}

/**
 * `navigator.locks`. It is looked up at every use, because it may appear later.
 *
 * @throws why there is none, as text.
 * @internal
 */
export function platformLocks(): LockManager {
  let locks: unknown;
  try {
    locks = (globalThis as Host).navigator?.locks;
  } catch (thrown) {
    throw whyFailed(thrown);
  }
  if (typeof locks === 'object' && locks !== null) return locks as LockManager;
  throw whyMissing();
}

function whyMissing(): string {
  const [name, version] = runtime() ?? [];
  if (name === 'Node') {
    return (
      `this Node (${version}) has no navigator.locks; it came with Node 24.5, ` +
      'and jsdom hides it; MemoryLockManager works within one thread'
    );
  }
  if (name) return `${name} (${version}) has no navigator.locks; MemoryLockManager works within one thread`;
  return read(() => (globalThis as Host).isSecureContext) === false
    ? 'navigator.locks exists in secure contexts only; serve the page over https or from localhost'
    : 'there is no navigator.locks here; it needs Chrome 69, Firefox 96 or Safari 15.4, ' +
        'and a document with an origin of its own (not about:blank or data:)';
}

/** The runtime and its version, if it is not a browser. All of them call themselves Node as well. */
function runtime(): [name: string, version: string] | undefined {
  if (isWorkerd()) return ['workerd', WORKERD];
  for (const name of ['Bun', 'Deno', 'Node']) {
    const version = versionOf(name);
    if (typeof version === 'string') return [name, version];
  }
  return undefined;
}

const versionOf = (name: string) => read(() => (globalThis as Host).process?.versions?.[name.toLowerCase()]);

const WORKERD = 'Cloudflare-Workers';

const isWorkerd = () => read(() => (globalThis as Host).navigator?.userAgent) === WORKERD;

let isNodeHere: boolean | undefined;

/**
 * Whether the locks are Node's, which differ in some points (`environment.rs` has the same rule). It is found out
 * once, because that takes a while.
 *
 * @internal
 */
export const isNode = (): boolean => (isNodeHere ??= hasNodeLocks());

/**
 * Whether `navigator.locks` reaches the threads of one process, as in Node. In a browser it reaches all tabs of an
 * origin.
 *
 * @internal
 */
export const hasNodeLocks = (): boolean => (typeof versionOf('Node') === 'string' || isWorkerd()) && !isPageOfElectron();

/** Electron can give its pages and their workers Node's `process`. But their `navigator` is Chromium's. */
const isPageOfElectron = () => ['renderer', 'worker', 'service-worker'].includes(read(() => (globalThis as Host).process?.type) as string);

/** @internal Why `navigator.locks` threw, or rejected a promise. */
export function whyFailed(thrown: unknown): string {
  const { name, message } = nameAndMessage(thrown);
  if (name === 'SecurityError') {
    return `the browser allows no locks here, as in a sandboxed iframe without allow-same-origin or with storage blocked (${message})`;
  }
  if (name === 'InvalidStateError') return `the document is not active (${message})`;
  return `navigator.locks failed with ${name}: ${message}`;
}

/** @internal Name and message of anything that was thrown. */
export function nameAndMessage(thrown: unknown): { name: string; message: string } {
  const { name, message } = read(() => ({ ...pick(thrown) })) ?? {};
  if (typeof name !== 'string') return { name: 'a non-error', message: text(thrown) };
  return { name, message: typeof message === 'string' ? message : '' };
}

const pick = (thrown: unknown) => {
  const { name, message } = Object(thrown) as { name?: unknown; message?: unknown };
  return { name, message };
};

/** @internal What foreign code returns, or `undefined` if it throws. */
export function read<T>(getter: () => T): T | undefined {
  try {
    return getter();
  } catch {
    return undefined;
  }
}
