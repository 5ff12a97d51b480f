// What the tabs tell each other. `query()` knows client ids but no names, and of a tab that queues twice
// for a key only the first request. So every tab publishes its own requests.

import type { LockMode } from 'crosslock';
import type { Part, Result, Round } from './round.js';

export type State =
  | 'pending'
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
  requested: number;
  granted?: number;
  ended?: number;
  /** Why it ended badly. */
  message?: string;
}

/** A time in which the main thread of a tab is blocked. */
export interface Block {
  tab: string;
  name: string;
  from: number;
  until: number;
}

interface Messages {
  /** A tab is new. */
  hello: null;
  /** A page needs to know what the others hold and wait for. */
  recall: null;
  request: TabRequest;
  block: Block;
  /** Every tab is to pay. */
  round: Round;
  /** A tab has paid, or has not. */
  part: Part;
  result: Result;
  /** The wallet was refilled. */
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

/** Returns a function that removes the listener. */
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
