// The back/forward cache: a page that goes into it loses its locks.
//
// Browsers differ in what they do with the locks of such a page: they do not cache the page, or they free the
// locks without telling it, or they discard the page when somebody else wants a lock. A page that comes back
// cannot find out which. So it is decided before, in an event that all of them have: when `pagehide` says that
// the page may be cached, its locks are released and its guards are lost, before any of its code can run again.
//
// The rules also need to know whether the page is hidden, because then its timers may come a minute late.

import type { Client } from './client.js';
import { text } from './describe.js';
import { read } from './host.js';

let isWatched = false;

/**
 * Begins to listen at the first request, if there is a document.
 *
 * @throws why it cannot listen, as text. Otherwise a lock could be lost unnoticed.
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
  const report = () => client.setHidden(read(() => document.visibilityState) === 'hidden');
  listen(document, 'visibilitychange', report);
  isWatched = true;
  report();
}

function listen(to: EventTarget, event: string, listener: (event: Event) => void): void {
  try {
    to.addEventListener(event, listener);
  } catch (thrown) {
    throw `the page cannot be listened to: addEventListener("${event}") threw ${text(thrown)}`;
  }
}
