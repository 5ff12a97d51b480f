// The timeline: a lane for each tab, with what it waited for and held in the last seconds.

import { now, type TabRequest } from './channel.js';
import { chip, create, duration } from './dom.js';
import type { History } from './history.js';

/** So much time is shown, in milliseconds. */
const SPAN = 20_000;

/** What is drawn at the end of a request that did not end by a release. */
const MARKS: Partial<Record<TabRequest['state'], string>> = {
  'timed out': 'timed out',
  cancelled: 'cancelled',
  refused: 'refused',
  failed: 'failed',
  lost: 'lost',
  gone: 'gone',
};

export class Timeline {
  readonly #place: HTMLElement;
  readonly #history: History;
  #still = false;

  constructor(place: HTMLElement, history: History) {
    this.#place = place;
    this.#history = history;
  }

  draw(tabs: Map<string, string>): void {
    const end = now();
    const start = end - SPAN;
    const requests = [...this.#history.requests.values()].filter(({ ended }) => (ended ?? end) > start);
    const lanes = new Map<string, string>(tabs);
    for (const { tab, name } of requests) lanes.set(tab, name);
    // Nothing moves where nothing happened.
    const state = `${[...lanes.values()]}`;
    if (requests.length === 0 && this.#still && this.#place.dataset.lanes === state) return;
    this.#still = requests.length === 0;
    this.#place.dataset.lanes = state;

    const position = (time: number) => (Math.max(0, (time - start) / SPAN) * 100).toFixed(2);
    const box = (kind: string, from: number, until: number, text: string, title: string, data = {}) => {
      const left = position(from);
      const width = (Number(position(until)) - Number(left)).toFixed(2);
      return create(
        'span',
        { class: kind, style: `left:${left}%;width:${width}%`, title, ...data },
        Number(width) > 12 && text,
      );
    };
    const draw = (request: TabRequest) => {
      const { key, state, asked, granted, ended, message } = request;
      const data = { 'data-key': key, 'data-state': state };
      const boxes = [];
      const waited = (granted ?? ended ?? end) - asked;
      if (waited > 1)
        boxes.push(
          box('waits', asked, granted ?? ended ?? end, '', `${key}: waits ${duration(waited)}`, data),
        );
      if (granted !== undefined) {
        const until = ended ?? end;
        boxes.push(box('holds', granted, until, key, `${key}: holds for ${duration(until - granted)}`, data));
      }
      const mark = MARKS[state];
      if (mark && ended !== undefined && ended > start) {
        boxes.push(
          create(
            'span',
            {
              class: 'mark',
              style: `left:min(${position(ended)}%, 100% - 4rem)`,
              title: message ?? mark,
              ...data,
            },
            mark,
          ),
        );
      }
      return boxes;
    };
    this.#place.replaceChildren(
      ...[...lanes].map(([tab, name]) =>
        create(
          'div',
          { class: 'lane', 'data-tab': name, 'data-gone': tabs.has(tab) ? undefined : '' },
          chip(name),
          create(
            'div',
            { class: 'track' },
            ...this.#history.freezes
              .filter((freeze) => freeze.tab === tab && freeze.until > start)
              .map(({ from, until }) => box('frozen', from, Math.min(until, end), '', 'frozen')),
            ...rows(
              requests.filter((request) => request.tab === tab),
              end,
            ).map((row) => create('div', { class: 'row' }, ...row.flatMap(draw))),
          ),
        ),
      ),
    );
  }
}

/** Puts requests that overlap in time below each other. */
function rows(requests: TabRequest[], end: number): TabRequest[][] {
  const rows: TabRequest[][] = [[]];
  for (const request of requests.sort((a, b) => a.asked - b.asked)) {
    const row = rows.find((row) => (row.at(-1)?.ended ?? (row.length ? end : 0)) <= request.asked);
    if (row) row.push(request);
    else rows.push([request]);
  }
  return rows;
}
