// What the tabs tell each other. `query()` knows clients and no names, and of a tab that queues twice
// for a key only the first; so every tab publishes what it asked for itself.

import type { LockMode } from 'crosslock';
import type { Part, Result, Round } from './round.js';

export type State =
  | 'waiting'
  | 'held'
  | 'released'
  | 'timed out'
  | 'cancelled'
  | 'refused'
  | 'failed'
  | 'lost'
  | 'gone';

/** One request of a tab, from the call to its end. Times are in milliseconds since 1970. */
export interface TabRequest {
  id: string;
  /** The browser's client id. */
  tab: string;
  name: string;
  key: string;
  mode: LockMode;
  state: State;
  asked: number;
  granted?: number;
  ended?: number;
  /** Why it ended badly. */
  message?: string;
}

/** A tab whose main thread stands still. */
export interface Freeze {
  tab: string;
  name: string;
  from: number;
  until: number;
}

interface Messages {
  /** A tab is new. */
  hello: null;
  /** A page does not know yet what the others hold and wait for. */
  recall: null;
  request: TabRequest;
  freeze: Freeze;
  /** Every tab is to pay. */
  round: Round;
  /** A tab has paid, or has not. */
  part: Part;
  result: Result;
  /** The wallet was filled again. */
  refill: null;
}

type Listener<T extends keyof Messages> = (content: Messages[T]) => void;

const channel = new BroadcastChannel('crosslock-demo');
const listeners = new Map<string, Set<Listener<never>>>();

/** Tells all tabs, this one included. */
export function publish<T extends keyof Messages>(type: T, content: Messages[T]): void {
  channel.postMessage({ type, content });
  deliver(type, content);
}

/** Returns what ends it. */
export function listen<T extends keyof Messages>(type: T, listener: Listener<T>): () => void {
  const all = listeners.get(type) ?? new Set();
  listeners.set(type, all.add(listener));
  return () => void all.delete(listener);
}

channel.onmessage = ({ data: { type, content } }) => deliver(type, content);

function deliver<T extends keyof Messages>(type: T, content: Messages[T]): void {
  for (const listener of listeners.get(type) ?? []) (listener as Listener<T>)(content);
}

/** The time, finer than `Date.now()`, and the same in all tabs as far as the system's clock is steady. */
export const now = (): number => performance.timeOrigin + performance.now();
