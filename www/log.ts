// What happened, in words: the timeline for those who cannot see it, or want to read it again.

import type { TabRequest } from './channel.js';
import { chip, create, duration } from './dom.js';

const LENGTH = 100;

/** Adds a line, the latest on top. */
export function addToLog(log: HTMLElement, request: TabRequest): void {
  const { name, key, state } = request;
  const at = new Date(request.ended ?? request.granted ?? request.asked);
  const time = create('time', { datetime: at.toISOString() }, at.toLocaleTimeString('en', { hour12: false }));
  const line = create(
    'li',
    { 'data-key': key, 'data-state': state, 'data-by': name },
    time,
    chip(name),
    create('span', {}, words(request)),
  );
  log.prepend(line);
  while (log.childElementCount > LENGTH) log.lastElementChild!.remove();
}

function words({ key, mode, state, asked, granted, ended, message }: TabRequest): string {
  const shared = mode === 'shared' ? ', shared' : '';
  const waited = duration((granted ?? ended ?? asked) - asked);
  const held = duration((ended ?? 0) - (granted ?? 0));
  switch (state) {
    case 'waiting':
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
