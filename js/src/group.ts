import { NativePromise } from './native-promise.js';
import { asyncDispose, dispose } from './dispose.js';
import type { LockGuard } from './guard.js';

/**
 * The locks that {@link LockManager.lockMany} took together: an array of their guards, one for each
 * different key, in the order of the keys. It can be released as a whole.
 */
export interface LockGuards extends ReadonlyArray<LockGuard> {
  /** Frees all the locks. The promise is resolved when they *are* free. May be called again. */
  release(): Promise<void>;
  /** For `await using`: `release()`, awaited. */
  [Symbol.asyncDispose](): Promise<void>;
  /** For `using`: `release()`, not awaited. */
  [Symbol.dispose](): void;
}

/** @internal The guards with the methods of {@link LockGuards}, which are not seen when the array is iterated or printed. */
export function group(guards: LockGuard[]): LockGuards {
  const release = async () => void (await NativePromise.all(guards.map((guard) => guard.release())));
  return Object.defineProperties(guards, {
    release: { value: release },
    [asyncDispose]: { value: release },
    [dispose]: { value: () => void release() },
  }) as readonly LockGuard[] as LockGuards;
}
