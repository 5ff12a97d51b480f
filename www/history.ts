// The requests of all tabs, as far as this one has heard of them: for the board, the timeline and the list.

import { listen, now, publish, type Block, type TabRequest } from './channel.js';

/** How long a request is remembered after its end, in milliseconds. */
const MEMORY = 60_000;

/** Is told what happened to a request, for the list. */
export type Change = (request: TabRequest) => void;

export class History {
  readonly requests = new Map<string, TabRequest>();
  blocks: Block[] = [];
  readonly #changed: Change;

  constructor(changed: Change) {
    this.#changed = changed;
    listen('request', (request) => this.#set(request));
    listen(
      'block',
      (block) => (this.blocks = [...this.blocks.filter(({ until }) => until > now() - MEMORY), block]),
    );
    publish('recall', null);
  }

  /** Those that are pending or held, in the order in which they were made. */
  get open(): TabRequest[] {
    return [...this.requests.values()]
      .filter(({ ended }) => ended === undefined)
      .sort((a, b) => a.requested - b.requested);
  }

  /** A tab that is closed or crashes tells nobody. The browser knows that it is gone. */
  onlyOf(tabs: Map<string, string>): void {
    for (const request of this.open) {
      if (!tabs.has(request.tab)) this.#set({ ...request, state: 'gone', ended: now() });
    }
  }

  #set(request: TabRequest): void {
    const before = this.requests.get(request.id);
    // It was published again for a new tab, or late by a tab that was thought to be gone.
    if (before && (before.state === request.state || before.ended !== undefined)) return;
    this.requests.set(request.id, { ...request });
    for (const [id, { ended }] of this.requests) {
      if (ended !== undefined && ended < now() - MEMORY) this.requests.delete(id);
    }
    this.#changed(request);
  }
}
