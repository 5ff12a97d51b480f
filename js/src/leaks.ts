// Warnings about locks that are held for longer than someone meant to.

import type { LockManagerOptions } from './manager.js';

/** @internal Something that looks after a held lock, until its release. */
export interface Watch {
  end(): void;
}

const collected = /* @__PURE__ */ new FinalizationRegistry<string>((lock) => {
  // Not released: whoever forgot the guard may still be at work on what it protects.
  console.warn(
    `crosslock: the guard of ${lock} was garbage-collected without release(). ` +
      'The lock stays held for as long as this page, worker or process lives. Use `await using`, or release it in `finally`.',
  );
});

/** @internal Warns, once, if the guard is garbage-collected before the watch ends. */
export function warnIfCollected(guard: { key: string }, options: LockManagerOptions): Watch {
  const token = {};
  collected.register(guard, describe(guard.key, options), token);
  return { end: () => collected.unregister(token) };
}

/** The longest delay that `setTimeout` can count, 24.8 days; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** @internal Warns if the watch does not end within the time that the options allow. */
export function warnIfHeldTooLong(key: string, options: LockManagerOptions): Watch {
  const { warnAfter } = options;
  if (warnAfter === undefined || warnAfter > LONGEST_TIMER) return { end() {} };
  const timer: unknown = setTimeout(() => {
    console.warn(`crosslock: ${describe(key, options)} has been held for more than ${warnAfter} ms`);
  }, warnAfter);
  // A warning is no reason to keep a Node process alive. (In browsers a timer is a number.)
  (timer as { unref?: () => void }).unref?.();
  return { end: () => clearTimeout(timer as number) };
}

function describe(key: string, { label }: LockManagerOptions): string {
  return label === undefined ? `lock "${key}"` : `lock "${key}" (${label})`;
}
