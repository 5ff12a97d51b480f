// The live board: for every key who holds it, for how long, and who waits in which order.

import type { LockInfo, LockMode, LockSnapshot } from 'crosslock';
import { now, type TabRequest } from './channel.js';
import { chip, create, elapsed } from './dom.js';
import type { History } from './history.js';

/** Somebody who holds a key or waits for it. */
interface Entry {
  name: string;
  mode: LockMode;
  /** Since when, where the tab has said so. */
  since?: number | undefined;
  frozen: boolean;
}

interface Row {
  key: string;
  holders: Entry[];
  queue: Entry[];
}

export class Board {
  readonly #list: HTMLElement;
  #shown = '';

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(snapshot: LockSnapshot, tabs: Map<string, string>, history: History): void {
    const rows = merge(snapshot, tabs, history);
    const state = JSON.stringify(rows);
    // Made anew only when something has changed: a person may be reading it, or a screen reader.
    if (state !== this.#shown) this.#list.replaceChildren(...rows.map(item));
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
function merge({ held, pending }: LockSnapshot, tabs: Map<string, string>, history: History): Row[] {
  const published = history.open;
  const frozen = new Set(history.freezes.filter(({ until }) => until > now()).map(({ tab }) => tab));
  const used = new Set<TabRequest>();
  const take = (tab: string, key: string, state: 'held' | 'waiting') => {
    const request = published.find((other) => other.tab === tab && other.key === key && other.state === state && !used.has(other));
    if (request) used.add(request);
    return request;
  };
  const entry = (tab: string, mode: LockMode, since: number | undefined): Entry => ({
    name: tabs.get(tab) ?? 'a tab without a name',
    mode,
    since,
    frozen: frozen.has(tab),
  });

  const rows = new Map<string, Row>();
  const row = (key: string) => {
    if (!rows.has(key)) rows.set(key, { key, holders: [], queue: [] });
    return rows.get(key)!;
  };
  const fromBrowser = ({ key, mode, clientId }: LockInfo, state: 'held' | 'waiting') => {
    const request = take(clientId, key, state);
    return entry(clientId, mode, request?.granted ?? request?.asked);
  };
  for (const info of held) row(info.key).holders.push(fromBrowser(info, 'held'));
  for (const info of pending) row(info.key).queue.push(fromBrowser(info, 'waiting'));
  for (const request of published) {
    if (request.state !== 'waiting' || used.has(request) || !rows.has(request.key) || !tabs.has(request.tab)) continue;
    row(request.key).queue.push(entry(request.tab, request.mode, request.asked));
  }
  return [...rows.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function item({ key, holders, queue }: Row): HTMLElement {
  return create(
    'li',
    { 'data-key': key },
    create('h4', { class: 'key' }, key),
    create('div', { class: 'holders' }, create('span', { class: 'label' }, 'held by'), ...holders.map((entry) => person('span', entry))),
    queue.length > 0 &&
      create(
        'div',
        { class: 'queue' },
        create('span', { class: 'label' }, 'then'),
        create('ol', {}, ...queue.map((entry) => person('li', entry))),
      ),
  );
}

function person(tag: 'span' | 'li', { name, mode, since, frozen }: Entry): HTMLElement {
  return create(
    tag,
    { class: 'person', 'data-tab': name, 'data-mode': mode },
    chip(name),
    since !== undefined && create('time', { 'data-since': since }),
    mode === 'shared' && create('span', { class: 'note' }, 'shared'),
    frozen && create('span', { class: 'note' }, 'frozen'),
  );
}
