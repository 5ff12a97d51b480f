// Making elements. They carry data attributes for style sheets and tests.

type Child = Node | string | false | undefined;

/** A new element with attributes and children; what is false or undefined is left out. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | undefined> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== false && child !== undefined));
  return element;
}

/** The element with this id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** A tab's name in its colour. */
export const chip = (name: string, ...more: Child[]): HTMLElement =>
  create('span', { class: 'chip', 'data-tab': name }, title(name), ...more);

export const title = (name: string): string => `${name[0]!.toUpperCase()}${name.slice(1)}`;

export const sats = (amount: number): string => amount.toLocaleString('en');

/** A time that has passed. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.max(0, Math.round(milliseconds))} ms` : elapsed(milliseconds);
}

/** A time that goes on: no finer than it can be read. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  return seconds < 60
    ? `${seconds.toFixed(1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}
