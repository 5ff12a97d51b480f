// Which tab is which. A tab claims its name by a lock of that name, so no two tabs have the same one,
// and the name of a tab that is closed or crashes is free again. Who holds the names tells which
// client id of the browser is which tab.

import { WebLockManager } from './crosslock/index.js';

const names = new WebLockManager({ namespace: 'demo.tabs' });

let claim;

/** Claims a name for this tab: the one that it had, if it is free. */
export async function claimName() {
  const before = sessionStorage.getItem('tab');
  // After a reload, the browser may take a moment to free the name.
  claim = before && (await names.lock(before, { timeout: 500 }).catch(() => null));
  for (let i = 1; !claim; i++) claim = await names.tryLock(`tab-${i}`);
  sessionStorage.setItem('tab', claim.key);
  return claim.key;
}

/** Whether the name is still this tab's: it is not after the back/forward cache. */
export const hasName = () => claim !== undefined && !claim.lost.aborted;

/** The names of all tabs by the browser's client ids. */
export async function tabNames() {
  const { held } = await names.query();
  return new Map(held.map(({ clientId, key }) => [clientId, key]));
}
