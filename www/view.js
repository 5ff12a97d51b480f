// What is shown. Elements carry data attributes for style sheets and tests.

/** A new element with attributes and children; the empty ones are left out. */
function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter(Boolean));
  return element;
}

/** The requests of this tab, each with what can be done about it. */
export function showMine(list, requests) {
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren(
    ...requests.map((request) => {
      const { key, mode, state } = request;
      const [action, text, run] =
        state === 'waiting' ? ['cancel', 'Cancel', request.cancel] : ['release', state === 'lost' ? 'Dismiss' : 'Release', request.release];
      const button = create('button', { type: 'button', 'data-action': action, 'aria-label': `${text} ${key}` }, text);
      button.addEventListener('click', run);
      return create(
        'li',
        { 'data-key': key, 'data-mode': mode, 'data-state': state },
        create('span', {}, create('span', { class: 'key' }, key), ' ', create('span', { class: 'state' }, state), ` · ${mode}`),
        button,
      );
    }),
  );
  // The buttons are new; whoever uses the keyboard goes on where they were.
  if (focused >= 0) (list.children[focused] ?? list.lastElementChild)?.querySelector('button').focus();
}

/** A snapshot of all tabs: for each key its holders, then its queue in the order of the turns. */
export function showAll(body, { held, pending }, tabNames, ownName) {
  const rows = [
    ...held.map((request) => ({ ...request, state: 'held' })),
    ...pending.map((request) => ({ ...request, state: 'waiting' })),
  ].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const shown = rows.map(({ key, mode, state, clientId }) => {
    const tab = tabNames.get(clientId) ?? 'a worker or a tab without a name';
    return create(
      'tr',
      { 'data-key': key, 'data-mode': mode, 'data-state': state, 'data-tab': tab },
      create('td', { class: 'key' }, key),
      create('td', { class: 'state' }, state),
      create('td', {}, mode),
      create('td', {}, tab === ownName ? `${tab} (this)` : tab),
    );
  });
  body.replaceChildren(...shown);
}

/** Adds a line, the latest on top. */
export function addToLog(log, line) {
  const now = new Date();
  log.prepend(create('li', {}, create('time', { datetime: now.toISOString() }, now.toLocaleTimeString()), create('span', {}, line)));
  while (log.childElementCount > 100) log.lastElementChild.remove();
}
