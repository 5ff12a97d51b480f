// The time and the timers of a page, worker or Node thread.
//
// None of their functions is to be trusted: test suites replace them, in the middle, and one without
// the other. What they do wrong ends one wait.

import { text } from './describe.js';
import { unavailable } from './errors.js';

/** Where there is no `performance` (workerd, compartments, Jest's jsdom), and then for good. */
let isByDate = false;
/** What the clock said last. */
let read = 0;
/** How far we are ahead of it: by timers that fired, and when it was set back. */
let ahead = 0;

/** @internal In milliseconds. Never less than before. */
export function now(): number {
  let moment = NaN;
  const wasByDate = isByDate;
  try {
    if (!isByDate) moment = performance.now();
  } catch {}
  try {
    if (!(moment > -Infinity)) {
      moment = Date.now();
      isByDate = true;
    }
  } catch {}
  // Without any clock, time moves by timers alone.
  if (Number.isFinite(moment)) {
    if (moment < read || isByDate !== wasByDate) ahead += read - moment;
    read = moment;
  }
  return read + ahead;
}

/** `Date` as it was when this file was loaded, where there is one. */
const DateAtLoad = typeof Date === 'function' ? Date : undefined;
/** The millisecond of `Date` in which `about` last looked at the clock, and what it saw. */
let millisecond = NaN;
let seen = 0;

/**
 * {@link now}, up to a millisecond ago: for when a lock was granted, which people are told. In Chromium
 * `performance.now()` takes a third of the time of a lock in memory, and `Date.now()` a fifth of that.
 * `Date` may be set to whatever, so it only says whether this is still the same millisecond; and a
 * replaced one, which may stand still, is not asked.
 *
 * @internal
 */
export function about(): number {
  try {
    if (Date !== DateAtLoad) return now();
    const moment = Date.now();
    if (moment !== millisecond) {
      seen = now();
      millisecond = moment;
    }
    return seen;
  } catch {
    return now();
  }
}

/** A timer that was set for `moment` fired: it is proof enough that it is so late. */
function reached(moment: number): void {
  ahead += Math.max(0, moment - now());
  millisecond = NaN;
}

/** The longest delay that `setTimeout` can count, 24.8 days: a longer one fires at once (MDN). */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Calls back when the time is over, in milliseconds. Returns what ends that.
 *
 * Each wait has a timer of its own, set when the wait begins and cleared when it ends: nothing tells
 * whether one that is shared still runs, and frameworks wait for those that do.
 *
 * @throws LockError `UNAVAILABLE` if there is no timer.
 * @internal
 */
export function startTimer(millis: number, callBack: () => void): () => void {
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
      clear = startTimer(millis - LONGEST_TIMER, callBack);
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
    // Now, because by then it may be another clock's, which does not know the timer.
    const clearNow = clearTimeout;
    clear = () => {
      if (state !== 'set') return;
      // But not in Node if that is not the clock of now. The mock timers of node:test, once they were
      // reset, take out one of their next timers instead (seen in Node 20 and 26).
      if (typeof timer === 'object' && clearNow !== clearTimeout) (timer as { unref?(): void }).unref?.();
      else clearNow(timer as number);
    };
  } catch {
    // Then it fires for nobody.
  }
  // In Node it is an object, which keeps the process alive.
  if (firedAtOnce) throw noTimer('called back at once');
  state = 'set';
  const end = () => {
    try {
      clear();
    } catch {
      // The timer will find that nobody waits.
    }
    state = 'over';
  };
  if (typeof timer === 'number' || (typeof timer === 'object' && timer !== null)) return end;
  end();
  throw noTimer(`returned ${text(timer)}`);
}

const noTimer = (what: string) =>
  unavailable(
    `a wait with a timeout needs a timer, but setTimeout ${what}; ` + 'if it was replaced, as by a test, see to it that it sets one',
  );

/** @internal The same where nobody is told that there is no timer. */
export function timer(millis: number, callBack: () => void): () => void {
  try {
    return startTimer(millis, callBack);
  } catch {
    return () => {};
  }
}
