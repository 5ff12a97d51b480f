/**
 * Why a lock was not acquired, or no longer is. Stable across versions; more may be added.
 *
 * | code | meaning |
 * | --- | --- |
 * | `TIMED_OUT` | Somebody else kept the lock for longer than `timeout`. The message says who and for how long, where that is known. |
 * | `INVALID_KEY` | The key breaks the rules: 1 to 200 ASCII letters, digits, `-`, `_` and `.`, the first and the last a letter or digit. |
 * | `INVALID_NAMESPACE` | The namespace breaks the rules, which are those for keys. |
 * | `UNAVAILABLE` | Locks do not work here: no `navigator.locks`, no WebAssembly, a content security policy that forbids it, a file that could not be loaded. The message says which. Nothing was locked. |
 * | `ABORTED` | The signal was aborted and gave no reason of its own, where there is no `DOMException` either. (An `AbortSignal` of the platform always gives one, and that is what you catch.) |
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
  /** With `ALREADY_HELD`: the process that has the datadir, if that is known. It is for people. */
  declare readonly pid?: number;
  /** With `ALREADY_HELD`: the datadir. */
  declare readonly datadir?: string;

  constructor(code: LockErrorCode, message: string, options: LockErrorOptions = {}) {
    // Of the options it takes the cause, if there is one.
    super(message, options);
    this.code = code;
    copy(FIELDS, options, this);
  }

  /**
   * What {@link LockError.from} makes the error of again, in another realm or thread. `postMessage` and
   * `structuredClone` are sure to keep the message of an error, and not its class or `code` (HTML,
   * "StructuredSerializeInternal"); of this plain object they keep all. `JSON.stringify` calls it.
   *
   * Of a `cause` it has the name, the message and the `code`. What else a cause has may not be fit to be sent.
   */
  toJSON(): LockErrorData {
    const data = copy(EVERY.concat(FIELDS), this);
    if (isObject(this.cause)) data.cause = copy(EVERY, this.cause);
    return data as unknown as LockErrorData;
  }

  /**
   * The error that `value` is, or was: a `LockError` of this copy of the package, as it is; one of
   * another copy; or the plain object of {@link LockError.toJSON}, whose `cause` stays one.
   * `undefined` for anything else.
   *
   * ```ts
   * worker.postMessage({ failed: LockError.from(error)?.toJSON() }); // there
   * const error = LockError.from(event.data.failed); // here
   * ```
   */
  static from(value: unknown): LockError | undefined {
    if (value instanceof LockError) return value;
    const { name, code, message, cause } = Object(value) as Partial<LockError>;
    if (name !== 'LockError' || typeof code !== 'string' || typeof message !== 'string') return undefined;
    return new LockError(code, message, copy(FIELDS, value, cause === undefined ? {} : { cause }));
  }
}

/** What a {@link LockError} has beside its code and its message. */
export interface LockErrorOptions {
  /** {@link LockError.key}. */
  key?: string | undefined;
  /** What went wrong below. */
  cause?: unknown;
  /** {@link LockError.pid}. */
  pid?: number | undefined;
  /** {@link LockError.datadir}. */
  datadir?: string | undefined;
}

/** A {@link LockError} as a plain object. */
export interface LockErrorData {
  /** Always `'LockError'`. */
  name: 'LockError';
  /** {@link LockError.code}. */
  code: LockErrorCode;
  /** {@link LockError.key}, if there is one. */
  key?: string;
  /** {@link LockError.pid}, if it is known. */
  pid?: number;
  /** {@link LockError.datadir}, if there is one. */
  datadir?: string;
  /** What the error says. */
  message: string;
  /** What is known of its cause, if it has one: of a system's error, `code` is such as `ENOSPC`. */
  cause?: { name?: string; message?: string; code?: string | number };
}

const FIELDS = ['key', 'pid', 'datadir'];
const EVERY = ['name', 'code', 'message'];

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Copies those fields that are there: strings and numbers, which every message and JSON keep. */
function copy(fields: string[], from: unknown, to: object = {}): Record<string, unknown> {
  for (const field of fields) {
    const value = (from as Record<string, unknown>)[field];
    if (/^(string|number)$/.test(typeof value)) (to as Record<string, unknown>)[field] = value;
  }
  return to as Record<string, unknown>;
}

/** @internal Locks do not work here. */
export function unavailable(reason: string, cause?: unknown): LockError {
  return new LockError('UNAVAILABLE', `locks are unavailable: ${reason}`, cause === undefined ? {} : { cause });
}

/** @internal The same with the errors of the Web Locks API: a request whose lock is taken away is aborted. */
export const asRequest = (error: unknown): unknown =>
  error instanceof LockError && error.code === 'LOST' ? domException(error.message, 'AbortError') : error;

/** @internal A `DOMException`, or an error of that name where there is no such class (compartments of SES). */
export function domException(message: string, name: string): Error {
  if (typeof DOMException === 'function') return new DOMException(message, name);
  return Object.defineProperty(new Error(message), 'name', { value: name, configurable: true, writable: true });
}
