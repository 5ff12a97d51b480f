// Warnings about locks that are held for longer than was intended.
//
// No lock may fail or be lost because of them: if something is missing here, or misbehaves, a warning is
// missing, and no more.

import { timer } from './clock.js';
import type { RequestNumber } from './core.js';
import { LockGuard } from './guard.js';
import type { LockManagerOptions } from './manager.js';

/**
 * The guards that were made since the garbage collector last ran. To register a guard costs as much as a lock,
 * and most are released soon. So one object is registered instead, which nothing refers to. When that is
 * collected, the guards that are still held are registered.
 *
 * (A timer would not do: test suites replace the clock that it was set in, and wait for timers that run.)
 */
let unregistered: (LockGuard | undefined)[] = [];
let isAwaited = false;

let guards: FinalizationRegistry<string> | undefined;
let nextCollection: FinalizationRegistry<void> | undefined;

/** @internal Warns, once, if the guard is garbage-collected before it is {@link forget | forgotten}. */
export function warnIfCollected(guard: LockGuard, held: RequestNumber): void {
  if (isAwaited || awaitCollection()) unregistered[held] = guard;
}

/** Returns whether {@link registerGuards} will be called. */
function awaitCollection(): boolean {
  // workerd and hardened compartments have no such class.
  if (typeof FinalizationRegistry !== 'function') return false;
  try {
    nextCollection ??= new FinalizationRegistry(registerGuards);
    nextCollection.register({});
    return (isAwaited = true);
  } catch {
    return false;
  }
}

function registerGuards(): void {
  isAwaited = false;
  const held = unregistered;
  unregistered = [];
  guards ??= new FinalizationRegistry(warn);
  for (const request in held) {
    const guard = held[request];
    if (guard) guards.register(guard, describe(guard.key, LockGuard.optionsOf(guard)), guard);
  }
}

function warn(lock: string): void {
  // The lock is not released: the code that lost the guard may still work on what it protects.
  console.warn(
    `crosslock: the guard of ${lock} was garbage-collected without release(). ` +
      'The lock stays held for as long as this page, worker or process lives. Use `await using`, or release it in `finally`.',
  );
}

/** @internal The guard was released. */
export function forget(guard: LockGuard, held: RequestNumber): void {
  if (unregistered[held] === guard) unregistered[held] = undefined;
  else guards?.unregister(guard);
}

/** @internal Warns when a lock has been held for longer than the options allow. Returns a function that ends that. */
export function warnIfHeldTooLong(key: string, options: LockManagerOptions): (() => void) | undefined {
  const { warnAfter } = options;
  if (warnAfter === undefined || warnAfter === Infinity) return undefined;
  const warn = () => console.warn(`crosslock: ${describe(key, options)} has been held for more than ${warnAfter} ms`);
  return timer(warnAfter, warn, true);
}

function describe(key: string, { label }: LockManagerOptions): string {
  return label === undefined ? `lock "${key}"` : `lock "${key}" (${label})`;
}
