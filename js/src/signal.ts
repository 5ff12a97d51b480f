// The signals that callers give. They may come from another realm, where `instanceof` does not know them, or from
// a polyfill. Nothing that their code does may lose a lock.

import { describe } from './describe.js';
import { LockError } from './errors.js';

/** @internal Checks that a signal has what is used of it. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener, removeEventListener } = Object(signal) as Partial<AbortSignal>;
  const isSignal = typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  if (isSignal) return signal as AbortSignal;
  throw new TypeError(`signal must be an AbortSignal; got ${describe(signal)}`);
}

/**
 * The reason of a signal, if it is aborted. It may be any value. If reading it throws, the reason is what was
 * thrown.
 *
 * @internal
 */
export function readReason(signal: AbortSignal): { reason: unknown } | undefined {
  try {
    if (!signal.aborted) return undefined;
    // An old polyfill has no reasons. Then it is the reason that a platform makes.
    return { reason: signal.reason === undefined ? noReason() : signal.reason };
  } catch (reason) {
    return { reason };
  }
}

function noReason(): unknown {
  const message = 'the signal was aborted without a reason';
  return typeof DOMException === 'function' ? new DOMException(message, 'AbortError') : new LockError('ABORTED', message);
}

/** @internal Removes a listener from a signal, if the signal allows it. */
export function stopListening(signal: AbortSignal, listener: () => void): void {
  try {
    signal.removeEventListener('abort', listener);
  } catch {
    // The listener stays, and does nothing because its call is over.
  }
}
