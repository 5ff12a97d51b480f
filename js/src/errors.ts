import type { Failure } from '#wasm-glue';

/**
 * Why a lock was not acquired, or no longer is. Stable across versions; more may be added.
 *
 * | code | meaning |
 * | --- | --- |
 * | `TIMED_OUT` | Somebody else kept the lock for longer than `timeout`. The message says who and for how long, where that is known. |
 * | `INVALID_KEY` | The key breaks the rules: 1 to 200 ASCII letters, digits, `-`, `_` and `.`, the first and the last a letter or digit. |
 * | `INVALID_NAMESPACE` | The namespace breaks the rules, which are those for keys. |
 * | `UNAVAILABLE` | Locks do not work here: no `navigator.locks`, no WebAssembly, a content security policy that forbids it, a file that could not be loaded. The message says which. Nothing was locked. |
 * | `ABORTED` | The signal was aborted and gave no reason of its own. (An `AbortSignal` of the platform always gives one, and that is what you catch.) |
 * | `LOST` | The lock was held and then taken away. What it protected may be in use by someone else. |
 * | `ALREADY_HELD` | Another process has the whole dataset. (For backends outside browsers.) |
 * | `UNSUPPORTED` | The backend has no such operation. |
 * | `IO` | The operating system failed in a way that says nothing about who holds the lock. (For backends outside browsers.) |
 */
export type LockErrorCode =
  | 'TIMED_OUT'
  | 'INVALID_KEY'
  | 'INVALID_NAMESPACE'
  | 'UNAVAILABLE'
  | 'ABORTED'
  | 'LOST'
  | 'ALREADY_HELD'
  | 'UNSUPPORTED'
  | 'IO';

/**
 * A lock was not acquired, or was lost; {@link LockError.code | code} says why.
 *
 * Compare `code` rather than use `instanceof` where two copies of the package may meet.
 * Mistakes in a call, such as a `timeout` left out, are a `TypeError` instead.
 */
export class LockError extends Error {
  /** Always this, also where a bundler has shortened the name of the class. */
  override readonly name = 'LockError';
  /** The reason, for programs. */
  readonly code: LockErrorCode;
  /** The key it is about, if it is about one. An invalid key is escaped and cut. */
  readonly key: string | undefined;

  constructor(code: LockErrorCode, message: string, options: { key?: string | undefined; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.key = options.key;
  }
}

/** @internal A failure of the crate as an error, with the stack of whoever sees it. */
export function lockError({ code, message, key }: Failure): LockError {
  return new LockError(code, message, { key });
}

/** @internal Locks do not work here. */
export function unavailable(reason: string, cause?: unknown): LockError {
  return new LockError('UNAVAILABLE', `locks are unavailable: ${reason}`, cause === undefined ? {} : { cause });
}

/** @internal What a call into the crate was rejected with. */
export function fromCrate(thrown: unknown): unknown {
  const isFailure = typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error) && 'code' in thrown;
  return isFailure ? lockError(thrown as Failure) : thrown;
}

/** @internal For what a call into the crate was rejected with. */
export function throwFromCrate(thrown: unknown): never {
  throw fromCrate(thrown);
}

/**
 * Unlike the method of `AbortSignal`, it does with a polyfill that is older than `reason`.
 *
 * @internal
 */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason ?? new LockError('ABORTED', 'the signal was aborted');
}
