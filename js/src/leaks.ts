// Warnings about locks that are held for longer than someone meant to.

import type { GuardNumber } from '#wasm-glue';
import type { LockManagerOptions } from './manager.js';

/** A guard, as far as it is of interest here. */
interface Watched {
  key: string;
}

interface Young {
  guard: Watched;
  options: LockManagerOptions;
}

/**
 * The guards that are no older than a {@link MOMENT}. To have a guard watched by the garbage collector
 * costs as much as a lock, and most are released long before.
 */
let young: (Young | undefined)[] = [];
let timer: unknown;
const MOMENT = 500;

const collected = /* @__PURE__ */ new FinalizationRegistry<string>((lock) => {
  // Not released: whoever forgot the guard may still be at work on what it protects.
  console.warn(
    `crosslock: the guard of ${lock} was garbage-collected without release(). ` +
      'The lock stays held for as long as this page, worker or process lives. Use `await using`, or release it in `finally`.',
  );
});

/** @internal Warns, once, if the guard is garbage-collected before it is {@link forget | forgotten}. */
export function warnIfCollected(guard: Watched, held: GuardNumber, options: LockManagerOptions): void {
  young[held] = { guard, options };
  timer ??= inBackground(watchTheYoung, MOMENT);
}

function watchTheYoung(): void {
  timer = undefined;
  for (const held in young) {
    const { guard, options } = young[held] ?? {};
    if (guard && options) collected.register(guard, describe(guard.key, options), guard);
  }
  young = [];
}

/** @internal The guard was released. */
export function forget(guard: Watched, held: GuardNumber): void {
  if (young[held]?.guard === guard) young[held] = undefined;
  else collected.unregister(guard);
}

/** The longest delay that `setTimeout` can count, 24.8 days; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** @internal Warns when the time that the options allow is over. Returns what ends that. */
export function warnIfHeldTooLong(key: string, options: LockManagerOptions): (() => void) | undefined {
  const { warnAfter } = options;
  if (warnAfter === undefined || warnAfter > LONGEST_TIMER) return undefined;
  const timer = inBackground(() => {
    console.warn(`crosslock: ${describe(key, options)} has been held for more than ${warnAfter} ms`);
  }, warnAfter);
  return () => clearTimeout(timer as number);
}

/** A timer, but no reason to keep a Node process alive. (In browsers a timer is a number.) */
function inBackground(callback: () => void, millis: number): unknown {
  const timer: unknown = setTimeout(callback, millis);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

function describe(key: string, { label }: LockManagerOptions): string {
  return label === undefined ? `lock "${key}"` : `lock "${key}" (${label})`;
}
