// The timeline: a lane for each tab, with its requests of the last seconds.

import { now, type State, type TabRequest } from './channel.js';
import { chip, create, duration } from './dom.js';
import type { History } from './history.js';

/** The time that is shown, in milliseconds. */
const SPAN = 20_000;

/** The ends that are marked: all but a release. */
const MARKED = new Set<State>(['timed out', 'cancelled', 'refused', 'failed', 'lost', 'gone']);

/** A narrower bar, in percent of the width, has no room for its key. */
const READABLE = 12;

export class Timeline {
  readonly #place: HTMLElement;
  readonly #history: History;
  #drawn = '';

  constructor(place: HTMLElement, history: History) {
    this.#place = place;
    this.#history = history;
  }

  draw(tabs: Map<string, string>): void {
    const end = now();
    const start = end - SPAN;
    const requests = [...this.#history.requests.values()].filter(({ ended }) => (ended ?? end) > start);
    const blocks = this.#history.blocks.filter(({ until }) => until > start);
    const lanes = new Map<string, string>(tabs);
    for (const { tab, name } of requests) lanes.set(tab, name);

    // If nothing is shown that moves, it is not drawn again.
    const state = requests.length + blocks.length === 0 ? [...lanes.values()].join() : 'moving';
    if (state === this.#drawn && state !== 'moving') return;
    this.#drawn = state;

    const scale = new Scale(start, end);
    this.#place.replaceChildren(
      ...[...lanes].map(([tab, name]) => {
        const own = requests.filter((request) => request.tab === tab);
        const blocked = blocks.filter((block) => block.tab === tab);
        return create(
          'div',
          { class: 'lane', 'data-tab': name, 'data-gone': tabs.has(tab) ? undefined : '' },
          chip(name),
          create(
            'div',
            { class: 'track' },
            ...blocked.map(({ from, until }) =>
              create('span', {
                class: 'blocked',
                style: scale.bar(from, Math.min(until, end)),
                title: 'blocked',
              }),
            ),
            ...rows(own, end).map((row) =>
              create('div', { class: 'row' }, ...row.flatMap((request) => draw(request, scale))),
            ),
          ),
        );
      }),
    );
  }
}

/** Converts times to percent of the width. */
class Scale {
  constructor(
    readonly start: number,
    readonly end: number,
  ) {}

  position(time: number): number {
    return (Math.max(0, time - this.start) / (this.end - this.start)) * 100;
  }

  width(from: number, until: number): number {
    return this.position(until) - this.position(from);
  }

  bar(from: number, until: number): string {
    return `left:${this.position(from).toFixed(2)}%;width:${this.width(from, until).toFixed(2)}%`;
  }
}

/** A request: a bar for the time it was pending, one for the time it was held, and how it ended. */
function draw({ key, state, requested, granted, ended, message }: TabRequest, scale: Scale): HTMLElement[] {
  const data = { 'data-key': key, 'data-state': state };
  const waited = granted ?? ended ?? scale.end;
  const elements = [];
  if (waited > requested + 1) {
    const title = `${key}: waits ${duration(waited - requested)}`;
    elements.push(create('span', { class: 'waits', style: scale.bar(requested, waited), title, ...data }));
  }
  if (granted !== undefined) {
    const until = ended ?? scale.end;
    const title = `${key}: holds for ${duration(until - granted)}`;
    const text = scale.width(granted, until) > READABLE && key;
    elements.push(create('span', { class: 'holds', style: scale.bar(granted, until), title, ...data }, text));
  }
  if (ended !== undefined && MARKED.has(state)) {
    const style = `left:min(${scale.position(ended).toFixed(2)}%, 100% - 4rem)`;
    elements.push(create('span', { class: 'mark', style, title: message ?? state, ...data }, state));
  }
  return elements;
}

/** Puts requests that overlap in time into different rows. */
function rows(requests: TabRequest[], end: number): TabRequest[][] {
  const rows: TabRequest[][] = [[]];
  for (const request of requests.sort((a, b) => a.requested - b.requested)) {
    const row = rows.find((row) => row.every(({ ended }) => (ended ?? end) <= request.requested));
    if (row) row.push(request);
    else rows.push([request]);
  }
  return rows;
}
