// Warnings about locks that are held for longer than someone meant to.
//
// They are no reason for a lock to fail, or to be lost: what is missing here, or does not do what it
// should, costs a warning.

import type { RequestNumber } from '#wasm-glue';
import { LockGuard } from './guard.js';
import type { LockManagerOptions } from './manager.js';

/**
 * The guards that were made since the garbage collector last ran. To have a guard watched costs as much
 * as a lock, and most are released before: so one object is watched instead, which nobody else has, and
 * when that is collected, those who are still held are watched from then on.
 *
 * (Not by a timer: test suites replace the clock that it was set in, and wait for those that run.)
 */
let young: (LockGuard | undefined)[] = [];
let isAwaited = false;

let guards: FinalizationRegistry<string> | undefined;
let nextCollection: FinalizationRegistry<void> | undefined;

/** @internal Warns, once, if the guard is garbage-collected before it is {@link forget | forgotten}. */
export function warnIfCollected(guard: LockGuard, held: RequestNumber): void {
  if (isAwaited || awaitCollection()) young[held] = guard;
}

/** Returns whether there will be a call of {@link watchTheYoung}. */
function awaitCollection(): boolean {
  // workerd and hardened compartments have no such class.
  if (typeof FinalizationRegistry !== 'function') return false;
  try {
    nextCollection ??= new FinalizationRegistry(watchTheYoung);
    nextCollection.register({});
    return (isAwaited = true);
  } catch {
    return false;
  }
}

function watchTheYoung(): void {
  isAwaited = false;
  const grown = young;
  young = [];
  guards ??= new FinalizationRegistry(warn);
  for (const held in grown) {
    const guard = grown[held];
    if (guard) guards.register(guard, describe(guard.key, LockGuard.optionsOf(guard)), guard);
  }
}

function warn(lock: string): void {
  // Not released: whoever forgot the guard may still be at work on what it protects.
  console.warn(
    `crosslock: the guard of ${lock} was garbage-collected without release(). ` +
      'The lock stays held for as long as this page, worker or process lives. Use `await using`, or release it in `finally`.',
  );
}

/** @internal The guard was released. */
export function forget(guard: LockGuard, held: RequestNumber): void {
  if (young[held] === guard) young[held] = undefined;
  else guards?.unregister(guard);
}

/** The longest delay that `setTimeout` can count, 24.8 days; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** @internal Warns when the time that the options allow is over. Returns what ends that. */
export function warnIfHeldTooLong(key: string, options: LockManagerOptions): (() => void) | undefined {
  const { warnAfter } = options;
  if (warnAfter === undefined || warnAfter > LONGEST_TIMER) return undefined;
  // Not before the timer is set: one that calls back at once does not know how long the lock is held.
  let isHeld = false;
  const timer = inBackground(() => {
    if (isHeld) console.warn(`crosslock: ${describe(key, options)} has been held for more than ${warnAfter} ms`);
  }, warnAfter);
  isHeld = true;
  return () => {
    isHeld = false;
    timer?.clear();
  };
}

/** A timer, but no reason to keep a Node process alive. */
function inBackground(callback: () => void, millis: number): { clear(): void } | undefined {
  try {
    // Now, because by then it may be another clock's, which does not know the timer.
    const clear = clearTimeout;
    const timer: unknown = setTimeout(callback, millis);
    // In browsers it is a number.
    (timer as { unref?: () => void } | undefined)?.unref?.();
    return { clear: () => quietly(() => clear(timer as number)) };
  } catch {
    return undefined;
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // As at the top.
  }
}

function describe(key: string, { label }: LockManagerOptions): string {
  return label === undefined ? `lock "${key}"` : `lock "${key}" (${label})`;
}
