// The messages of errors. The crate has the same in Rust (`src/error.rs`, `src/key.rs`, `src/web_locks`). Tests of
// both compare them with tests/messages.json.

import { keyOf } from './keys.js';
import { LockError, unavailable } from './errors.js';

/** @internal How many waiters in front are counted, so that a thousand timeouts in a long queue stay cheap. */
export const MAX_AHEAD = 32;

/** @internal What was in the way of a request that timed out. A part is left out if it is not known. */
export interface Contention {
  holder?: string | undefined;
  /** In milliseconds. */
  heldFor?: number | undefined;
  ahead?: number | undefined;
  /** The platform gave no answer. */
  noAnswer?: boolean;
}

/** @internal */
export function timedOut(key: string, timeout: number, contention: Contention | undefined): LockError {
  const detail = contention ? `: ${describeContention(contention)}` : '';
  return new LockError('TIMED_OUT', `timed out acquiring lock "${key}" after ${duration(timeout)}${detail}`, { key });
}

function describeContention({ holder, heldFor, ahead = 0, noAnswer }: Contention): string {
  if (noAnswer) return 'the browser has not answered (a prerendered page gets no answer before it is shown)';
  // Whole milliseconds: nobody debugs a stuck wallet by nanoseconds.
  const time = heldFor === undefined ? '' : ` for ${duration(Math.floor(Math.max(0, heldFor)))}`;
  const by = holder === undefined ? '' : ` by ${holder}`;
  const number = ahead === 1 ? '1 request waits' : `${ahead}${ahead === MAX_AHEAD ? ' or more' : ''} requests wait`;
  return `held${by}${time}${ahead ? `, ${number} in front` : ''}`;
}

/** A time in milliseconds, as Rust prints a `Duration` of whole microseconds, rounded up. */
function duration(millis: number): string {
  const micros = Math.ceil(millis * 1000);
  if (micros >= 1e6) return `${micros / 1e6}s`;
  if (micros >= 1e3) return `${micros / 1e3}ms`;
  return micros ? `${micros}µs` : '0ns';
}

/** @internal Why a lock was lost or a request failed, by the number of the reason. */
export function describeReason(reason: number, said: string): string {
  return (
    [
      'it was stolen',
      'the page went into the back/forward cache',
      'the browser ended it',
      `the browser took it away: ${said}`,
      said,
      'navigator.locks.request() ended without calling back',
      'navigator.locks.request() called back without a lock',
    ][reason] ?? said
  );
}

/** @internal */
export const lost = (key: string, reason: string): LockError => new LockError('LOST', `lock "${key}" lost: ${reason}`, { key });

/** @internal */
export const unsupported = (operation: string): LockError =>
  new LockError('UNSUPPORTED', `this lock manager does not support ${operation}`);

/** @internal */
export const noAnswer = (): LockError =>
  unavailable('navigator.locks has not answered for 10 seconds (a prerendered page gets no answer before it is shown)');

/** @internal The rule that a key or a namespace breaks, by its number. */
export function invalid(what: 'key' | 'namespace', text: string, rule: number): LockError {
  const at = rule >>> 3;
  const rules = [
    '',
    'it needs at least one character',
    `at most 200 bytes are allowed, it has ${keyOf(text).length}`,
    `'${escaped(String.fromCodePoint(text.codePointAt(at) ?? 0))}' at byte ${at} is not allowed, ` +
      "use ASCII letters, digits, '-', '_' and '.'",
    'the first character must be an ASCII letter or digit',
    'the last character must be an ASCII letter or digit',
    `a prefix must not begin with '-' or "crosslock:"`,
  ];
  const shown = shownKey(text);
  return new LockError(
    what === 'key' ? 'INVALID_KEY' : 'INVALID_NAMESPACE',
    `invalid lock ${what} "${shown}": ${rules[rule & 7]}`,
    what === 'key' ? { key: shown } : {},
  );
}

/**
 * A refused key may have line breaks, terminal escapes or a megabyte of data. None of that may get into a log, so
 * it is escaped and cut.
 */
function shownKey(key: string): string {
  const letters = [...key.slice(0, 130)];
  return escaped(letters.slice(0, 64).join('')) + (letters.length > 64 ? '…' : '');
}

/** Characters that cannot be seen, or that have a meaning in quotes. */
const special =
  // eslint-disable-next-line no-control-regex
  /[\0-\x1f"'\\\x7f-\xa0\xad\u0300-\u036f\u0600-\u0605\u061c\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u20d0-\u20ff\u3000\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\ufff0-\uffff\u{e0000}-\u{10ffff}]/gu;

const escaped = (text: string) => text.replace(special, escapeCharacter);

function escapeCharacter(character: string): string {
  const named: Record<string, string> = { '\t': '\\t', '\r': '\\r', '\n': '\\n', "'": "\\'", '"': '\\"', '\\': '\\\\' };
  const code = character.codePointAt(0) ?? 0;
  // Half a surrogate pair, which UTF-8 does not have.
  if (code >= 0xd800 && code < 0xe000) return escapeCharacter('\ufffd');
  return named[character] ?? `\\u{${code.toString(16)}}`;
}
