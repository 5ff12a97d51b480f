// The back/forward cache: a page that goes into it loses its locks.
//
// Browsers differ in what they do with the locks of a page that is put aside (refuse to put it aside, free
// the locks without a word, or throw the page away when somebody else wants one), and a page that comes
// back cannot ask which. So it is settled on the way in, where all agree: when `pagehide` says that the
// page may be kept, its locks are released and its guards marked lost, before anything of it can run again.
//
// A hidden page is listened for as well: its timers may come a minute late.

import type { Client } from './client.js';
import { text } from './describe.js';
import { read } from './host.js';

let isWatched = false;

/**
 * Begins to listen, where there is a document, and not before the first lock is asked for.
 *
 * @throws why that cannot be, as text: a lock would be lost without anybody noticing.
 * @internal
 */
export function watchPage(client: Client): void {
  if (isWatched) return;
  const document = read(() => globalThis.document);
  // A worker, or Node.
  if (typeof document !== 'object' || document === null) return;
  listen(globalThis, 'pagehide', (event) => {
    if (read(() => (event as PageTransitionEvent).persisted)) client.loseAll();
  });
  const look = () => client.setHidden(read(() => document.visibilityState) === 'hidden');
  listen(document, 'visibilitychange', look);
  isWatched = true;
  look();
}

function listen(to: EventTarget, event: string, listener: (event: Event) => void): void {
  try {
    to.addEventListener(event, listener);
  } catch (thrown) {
    throw `the page cannot be listened to: addEventListener("${event}") threw ${text(thrown)}`;
  }
}
