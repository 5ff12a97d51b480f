// Which tab is which. A tab claims its name, which is also its colour, by a lock of that name: so no
// two tabs have the same one, and the name of a tab that is closed or crashes is free again. Who holds
// the names tells which client id of the browser is which tab.

import { WebLockManager, type LockGuard } from 'crosslock';

/** The names that have a colour. */
const NAMES = ['amber', 'teal', 'plum', 'sky', 'lime', 'coral', 'steel', 'rose'];

/** A page or a frame that takes part. */
export interface Tab {
  /** The browser's client id. */
  id: string;
  name: string;
}

const names = new WebLockManager({ namespace: 'demo.tabs' });

/** Claims a name: the one that is wanted, if it is free. */
export async function claimTab(wanted: string | null): Promise<Tab & { claim: LockGuard }> {
  const claim = await claimName(wanted);
  const { held } = await names.query();
  const { clientId: id } = held.find(({ key }) => key === claim.key)!;
  return { id, name: claim.key, claim };
}

async function claimName(wanted: string | null): Promise<LockGuard> {
  // After a reload, the browser may take a moment to free the name.
  const again = wanted && (await names.lock(wanted, { timeout: 500 }).catch(() => null));
  if (again) return again;
  for (let i = 0; ; i++) {
    const claim = await names.tryLock(NAMES[i] ?? `tab-${i + 1}`);
    if (claim) return claim;
  }
}

/** The names of all tabs that are open, by their ids. */
export async function openTabs(): Promise<Map<string, string>> {
  const { held } = await names.query();
  // In the order in which the names are given away; those without a colour come last.
  const order = ({ key }: { key: string }) => (NAMES.includes(key) ? NAMES.indexOf(key) : NAMES.length);
  return new Map(held.sort((a, b) => order(a) - order(b)).map(({ clientId, key }) => [clientId, key]));
}

/** What the package says of a client, with the tab's name in place of the browser's id. */
export async function withNames(message: string): Promise<string> {
  const client = /client (\S+)/g;
  if (!client.test(message)) return message;
  const tabs = await openTabs();
  return message.replaceAll(client, (text, id) => (tabs.has(id) ? `tab ${tabs.get(id)}` : text));
}

/** Names with a colour that no tab has. */
export async function freeNames(): Promise<string[]> {
  const taken = new Set((await openTabs()).values());
  return NAMES.filter((name) => !taken.has(name));
}
