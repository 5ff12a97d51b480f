// Tabs in one window: each is a frame of the same origin, with a document and locks of its own.

import { create } from './dom.js';
import { freeNames } from './tabs.js';

/** Adds frames to the list, after those that are there. */
export async function addFrames(list: HTMLElement, count: number): Promise<void> {
  const names = await freeNames();
  for (let i = 0; i < count; i++) {
    // It has its name for a title once it has claimed one.
    const frame = create('iframe', { src: `./tab.html#${names[i] ?? ''}`, title: 'A tab in this window' });
    list.append(create('li', { class: 'card' }, frame));
  }
}

/** Makes the frame that this document is in, if it is in one, as high as what it shows. */
export function fitFrame(name: string): void {
  const frame = window.frameElement as HTMLIFrameElement | null;
  if (!frame) return;
  frame.title = `Tab ${name}`;
  const fit = () => (frame.style.height = `${document.body.offsetHeight}px`);
  new ResizeObserver(fit).observe(document.body);
}

/** Ends this tab on the spot, as a crash would: nothing of it runs any more, and nothing is released. */
export function closeTab(): void {
  const frame = window.frameElement;
  if (!frame) return window.close();
  const list = frame.closest('ul');
  frame.closest('li')!.remove();
  // Whoever uses the keyboard goes on beside it.
  (list?.querySelector<HTMLElement>('li:last-child iframe, li:last-child button') ?? list)?.focus();
}
