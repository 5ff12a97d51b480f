// What all tabs asked for, as far as this one has heard: for the board, the timeline and the list.

import { listen, now, publish, type Freeze, type TabRequest } from './channel.js';

/** So long requests are remembered after their end, in milliseconds. */
const MEMORY = 60_000;

/** Something that happened to a request, for the list. */
export type Change = (request: TabRequest) => void;

export class History {
  readonly requests = new Map<string, TabRequest>();
  freezes: Freeze[] = [];
  readonly #changed: Change;

  constructor(changed: Change) {
    this.#changed = changed;
    listen('request', (request) => this.#set(request));
    listen(
      'freeze',
      (freeze) => (this.freezes = [...this.freezes.filter(({ until }) => until > now() - MEMORY), freeze]),
    );
    publish('recall', null);
  }

  /** Those that wait or hold, in the order in which they asked. */
  get open(): TabRequest[] {
    return [...this.requests.values()]
      .filter(({ ended }) => ended === undefined)
      .sort((a, b) => a.asked - b.asked);
  }

  /** A tab that is closed or crashes tells nobody; the browser knows that it is gone. */
  onlyOf(tabs: Map<string, string>): void {
    for (const request of this.open) {
      if (!tabs.has(request.tab)) this.#set({ ...request, state: 'gone', ended: now() });
    }
  }

  #set(request: TabRequest): void {
    const before = this.requests.get(request.id);
    // Told again for a tab that is new, or told late by one that was taken for gone.
    if (before && (before.state === request.state || before.ended !== undefined)) return;
    this.requests.set(request.id, { ...request });
    for (const [id, { ended }] of this.requests) {
      if (ended !== undefined && ended < now() - MEMORY) this.requests.delete(id);
    }
    this.#changed(request);
  }
}
