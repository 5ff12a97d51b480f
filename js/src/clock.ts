// The time and the timers of a page, worker or Node thread.
//
// None of these functions can be trusted: test suites replace them at any time, and one without the other.
// What they do wrong may end one wait, and no more.

import { text } from './describe.js';
import { unavailable } from './errors.js';

/** Whether there is no `performance` (workerd, compartments, Jest's jsdom). Once set, it stays set. */
let isByDate = false;
/** What the clock showed last. */
let read = 0;
/** How far we are ahead of the clock, because timers have fired, or because it was set back. */
let offset = 0;

/** @internal In milliseconds. Never less than before. */
export function now(): number {
  let time = NaN;
  const wasByDate = isByDate;
  try {
    if (!isByDate) time = performance.now();
  } catch {}
  try {
    if (!(time > -Infinity)) {
      time = Date.now();
      isByDate = true;
    }
  } catch {}
  // Without any clock, only timers move the time.
  if (Number.isFinite(time)) {
    if (time < read || isByDate !== wasByDate) offset += read - time;
    read = time;
  }
  return read + offset;
}

/** `Date` as it was when this file was loaded, if there was one. */
const DateAtLoad = typeof Date === 'function' ? Date : undefined;
/** The millisecond of `Date` in which `about` last read the clock, and what the clock showed. */
let millisecond = NaN;
let seen = 0;

/**
 * {@link now}, up to a millisecond ago: for the time at which a lock was granted, which is shown to people. In
 * Chromium `performance.now()` takes a third of the time of a lock in memory, and `Date.now()` a fifth of that.
 * `Date` may be set to any time, so it only tells whether this is still the same millisecond. A replaced `Date`
 * may stand still, so it is not used.
 *
 * @internal
 */
export function about(): number {
  try {
    if (Date !== DateAtLoad) return now();
    const present = Date.now();
    if (present !== millisecond) {
      seen = now();
      millisecond = present;
    }
    return seen;
  } catch {
    return now();
  }
}

/** A timer that was set for `due` has fired, so it is that late at least. */
function reached(due: number): void {
  offset += Math.max(0, due - now());
  millisecond = NaN;
}

/** The longest delay that `setTimeout` can count, 24.8 days: a longer one fires at once (MDN). */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Calls back after `millis`. Returns a function that clears the timer. One `inBackground` keeps no Node process
 * alive.
 *
 * Each wait has a timer of its own, set when the wait begins and cleared when it ends. A shared one would not do:
 * nothing tells whether it still runs, and test frameworks wait for timers that run.
 *
 * @throws LockError `UNAVAILABLE` if there is no timer.
 * @internal
 */
export function startTimer(millis: number, callBack: () => void, inBackground = false): () => void {
  const due = now() + Math.min(Math.ceil(millis), LONGEST_TIMER);
  let state: 'setting' | 'set' | 'over' = 'setting';
  let firedAtOnce = false;
  let clear: () => void = () => {};
  const fire = () => {
    if (state === 'setting') firedAtOnce = true;
    if (state !== 'set') return;
    state = 'over';
    reached(due);
    if (millis <= LONGEST_TIMER) return callBack();
    try {
      clear = startTimer(millis - LONGEST_TIMER, callBack, inBackground);
    } catch {
      callBack();
    }
  };
  let timer: unknown;
  try {
    timer = setTimeout(fire, Math.min(Math.ceil(millis), LONGEST_TIMER));
  } catch (thrown) {
    throw noTimer(`threw ${text(thrown)}`);
  }
  try {
    // Read now, because later it may belong to another clock, which does not know this timer.
    const clearNow = clearTimeout;
    clear = () => {
      if (state !== 'set') return;
      // In Node it is not called if it was replaced since. The mock timers of node:test, after a reset, clear
      // one of their next timers instead (seen in Node 20 and 26).
      if (typeof timer === 'object' && clearNow !== clearTimeout) (timer as { unref?(): void }).unref?.();
      else clearNow(timer as number);
    };
  } catch {
    // Then it cannot be cleared, and its call is ignored.
  }
  if (firedAtOnce) throw noTimer('called back at once');
  state = 'set';
  const end = () => {
    try {
      clear();
    } catch {
      // Then its call is ignored.
    }
    state = 'over';
  };
  // In Node it is an object, and keeps the process alive.
  if (typeof timer === 'object' && timer !== null) {
    if (inBackground) (timer as { unref?(): void }).unref?.();
    return end;
  }
  if (typeof timer === 'number') return end;
  end();
  throw noTimer(`returned ${text(timer)}`);
}

const noTimer = (what: string) =>
  unavailable(`a wait with a timeout needs a timer, but setTimeout ${what}; if it was replaced, as by a test, see to it that it sets one`);

/** @internal The same. If there is no timer, it does nothing. */
export function timer(millis: number, callBack: () => void, inBackground = false): () => void {
  try {
    return startTimer(millis, callBack, inBackground);
  } catch {
    return () => {};
  }
}
