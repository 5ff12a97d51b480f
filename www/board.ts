// The live board: who holds each key, for how long, and who waits, in the order of the queue.

import type { LockInfo, LockMode } from 'crosslock';
import type { Row } from './actions.js';
import { now, type State, type TabRequest } from './channel.js';
import { chip, create, elapsed } from './dom.js';
import type { History } from './history.js';

/** A tab that holds a key or waits for it. */
interface Client {
  name: string;
  mode: LockMode;
  /** When the request was granted, or made, if the tab has published it. */
  since?: number | undefined;
  blocked: boolean;
}

interface Entry {
  key: string;
  holders: Client[];
  queue: Client[];
}

export class Board {
  readonly #list: HTMLElement;
  #lastState = '';

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(rows: Row[], tabs: Map<string, string>, history: History): void {
    const shown = rows.map(withPublished(tabs, history));
    const state = JSON.stringify(shown);
    // Replaced only when something has changed: somebody, or a screen reader, may be reading it.
    if (state !== this.#lastState) this.#list.replaceChildren(...shown.map(item));
    this.#lastState = state;
    this.tick();
  }

  /** Updates the times. */
  tick(): void {
    for (const time of this.#list.querySelectorAll<HTMLElement>('[data-since]')) {
      time.textContent = elapsed(now() - Number(time.dataset.since));
    }
  }
}

/**
 * Adds what tabs have published to what the browser says. If a tab queues more than once for a key, only
 * the first request is in the browser's queue. The others come behind.
 */
function withPublished(tabs: Map<string, string>, history: History): (row: Row) => Entry {
  const published = history.open;
  const blocked = new Set(history.blocks.filter(({ until }) => until > now()).map(({ tab }) => tab));
  const used = new Set<TabRequest>();
  const named = (tab: string, mode: LockMode, since: number | undefined): Client => ({
    name: tabs.get(tab) ?? 'a tab without a name',
    mode,
    since,
    blocked: blocked.has(tab),
  });
  const known = ({ key, mode, clientId }: LockInfo, state: State) => {
    const matches = (other: TabRequest) =>
      other.tab === clientId && other.key === key && other.state === state;
    const request = published.find((other) => matches(other) && !used.has(other));
    if (request) used.add(request);
    return named(clientId, mode, request?.granted ?? request?.requested);
  };
  return ({ key, holders, queue }) => {
    const holding = holders.map((lock) => known(lock, 'held'));
    const waiting = queue.map((lock) => known(lock, 'pending'));
    const further = published
      .filter((request) => request.key === key && request.state === 'pending' && !used.has(request))
      .map(({ tab, mode, requested }) => named(tab, mode, requested));
    return { key, holders: holding, queue: [...waiting, ...further] };
  };
}

function item({ key, holders, queue }: Entry): HTMLElement {
  return create(
    'li',
    { 'data-key': key },
    create('h4', { class: 'key' }, key),
    create(
      'div',
      { class: 'holders' },
      create('span', { class: 'label' }, 'held by'),
      ...holders.map((holder) => client('span', holder)),
    ),
    queue.length > 0 &&
      create(
        'div',
        { class: 'queue' },
        create('span', { class: 'label' }, 'then'),
        create('ol', {}, ...queue.map((waiter) => client('li', waiter))),
      ),
  );
}

function client(tag: 'span' | 'li', { name, mode, since, blocked }: Client): HTMLElement {
  return create(
    tag,
    { class: 'client', 'data-tab': name, 'data-mode': mode },
    chip(name),
    since !== undefined && create('time', { 'data-since': since }),
    mode === 'shared' && create('span', { class: 'note' }, 'shared'),
    blocked && create('span', { class: 'note' }, 'blocked'),
  );
}
