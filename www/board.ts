// The live board: for every key who holds it, for how long, and who waits in which order.

import type { LockInfo, LockMode } from 'crosslock';
import type { Row } from './actions.js';
import { now, type State, type TabRequest } from './channel.js';
import { chip, create, elapsed } from './dom.js';
import type { History } from './history.js';

/** Somebody who holds a key or waits for it. */
interface Person {
  name: string;
  mode: LockMode;
  /** Since when, where the tab has said so. */
  since?: number | undefined;
  frozen: boolean;
}

interface Shown {
  key: string;
  holders: Person[];
  queue: Person[];
}

export class Board {
  readonly #list: HTMLElement;
  #shown = '';

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(rows: Row[], tabs: Map<string, string>, history: History): void {
    const shown = rows.map(withPublished(tabs, history));
    const state = JSON.stringify(shown);
    // Made anew only when something has changed: a person may be reading it, or a screen reader.
    if (state !== this.#shown) this.#list.replaceChildren(...shown.map(item));
    this.#shown = state;
    this.tick();
  }

  /** Lets the times go on. */
  tick(): void {
    for (const time of this.#list.querySelectorAll<HTMLElement>('[data-since]')) {
      time.textContent = elapsed(now() - Number(time.dataset.since));
    }
  }
}

/**
 * The browser says who holds, and who waits in which order. A tab that queues more than once for a key
 * has only the first of these in the browser's queue; the others, which it has published, come behind.
 */
function withPublished(tabs: Map<string, string>, history: History): (row: Row) => Shown {
  const published = history.open;
  const frozen = new Set(history.freezes.filter(({ until }) => until > now()).map(({ tab }) => tab));
  const used = new Set<TabRequest>();
  const named = (tab: string, mode: LockMode, since: number | undefined): Person => ({
    name: tabs.get(tab) ?? 'a tab without a name',
    mode,
    since,
    frozen: frozen.has(tab),
  });
  const known = ({ key, mode, clientId }: LockInfo, state: State) => {
    const matches = (other: TabRequest) =>
      other.tab === clientId && other.key === key && other.state === state;
    const request = published.find((other) => matches(other) && !used.has(other));
    if (request) used.add(request);
    return named(clientId, mode, request?.granted ?? request?.asked);
  };
  return ({ key, holders, queue }) => {
    const holding = holders.map((lock) => known(lock, 'held'));
    const waiting = queue.map((lock) => known(lock, 'waiting'));
    const further = published
      .filter((request) => request.key === key && request.state === 'waiting' && !used.has(request))
      .map(({ tab, mode, asked }) => named(tab, mode, asked));
    return { key, holders: holding, queue: [...waiting, ...further] };
  };
}

function item({ key, holders, queue }: Shown): HTMLElement {
  return create(
    'li',
    { 'data-key': key },
    create('h4', { class: 'key' }, key),
    create(
      'div',
      { class: 'holders' },
      create('span', { class: 'label' }, 'held by'),
      ...holders.map((holder) => person('span', holder)),
    ),
    queue.length > 0 &&
      create(
        'div',
        { class: 'queue' },
        create('span', { class: 'label' }, 'then'),
        create('ol', {}, ...queue.map((waiter) => person('li', waiter))),
      ),
  );
}

function person(tag: 'span' | 'li', { name, mode, since, frozen }: Person): HTMLElement {
  return create(
    tag,
    { class: 'person', 'data-tab': name, 'data-mode': mode },
    chip(name),
    since !== undefined && create('time', { 'data-since': since }),
    mode === 'shared' && create('span', { class: 'note' }, 'shared'),
    frozen && create('span', { class: 'note' }, 'frozen'),
  );
}
