// What happened, as text: for those who cannot see the timeline, or want to read it again.

import type { TabRequest } from './channel.js';
import { chip, create, duration } from './dom.js';

const LENGTH = 100;

/** Adds an entry at the top. */
export function addToLog(log: HTMLElement, request: TabRequest): void {
  const { name, key, state } = request;
  const at = new Date(request.ended ?? request.granted ?? request.requested);
  const time = create('time', { datetime: at.toISOString() }, at.toLocaleTimeString('en', { hour12: false }));
  const entry = create(
    'li',
    { 'data-key': key, 'data-state': state, 'data-by': name },
    time,
    chip(name),
    create('span', {}, describe(request)),
  );
  log.prepend(entry);
  while (log.childElementCount > LENGTH) log.lastElementChild!.remove();
}

function describe({ key, mode, state, requested, granted, ended, message }: TabRequest): string {
  const shared = mode === 'shared' ? ', shared' : '';
  const waited = duration((granted ?? ended ?? requested) - requested);
  const held = duration((ended ?? 0) - (granted ?? 0));
  switch (state) {
    case 'pending':
      return `asks for ${key}${shared}`;
    case 'held':
      return `got ${key}${shared} after ${waited}`;
    case 'released':
      return `released ${key} after ${held}`;
    case 'lost':
      return `${message}, after ${held}`;
    case 'gone':
      return granted
        ? `is gone, and held ${key}: the browser freed it`
        : `is gone, and no longer waits for ${key}`;
    case 'refused':
      return `did not wait for ${key}: held by someone else`;
    case 'cancelled':
      return `no longer waits for ${key}`;
    default:
      return message ?? state;
  }
}
