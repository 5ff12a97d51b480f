// The signals that callers give. They may come from another realm, where `instanceof` does not know
// them, from a polyfill, or from nowhere: nothing that their code does may lose a lock.

import { describe } from './describe.js';
import { LockError } from './errors.js';

/** @internal Checks a signal as far as it is used. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener, removeEventListener } = Object(signal) as Partial<AbortSignal>;
  const isSignal = typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  if (isSignal) return signal as AbortSignal;
  throw new TypeError(`signal must be an AbortSignal; got ${describe(signal)}`);
}

/**
 * The reason of a signal that is aborted, whatever value that is. One that it cannot tell is what it
 * throws.
 *
 * @internal
 */
export function readReason(signal: AbortSignal): { reason: unknown } | undefined {
  try {
    if (!signal.aborted) return undefined;
    // A polyfill that is older than reasons has none; what the platform then makes is this.
    return { reason: signal.reason === undefined ? noReason() : signal.reason };
  } catch (reason) {
    return { reason };
  }
}

function noReason(): unknown {
  const message = 'the signal was aborted without a reason';
  return typeof DOMException === 'function' ? new DOMException(message, 'AbortError') : new LockError('ABORTED', message);
}

/** @internal Takes a listener from a signal, as far as it lets go of it. */
export function stopListening(signal: AbortSignal, listener: () => void): void {
  try {
    signal.removeEventListener('abort', listener);
  } catch {
    // It is nobody's any more: it finds its task gone.
  }
}
