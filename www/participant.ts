// What the page and the frames have in common: a name, locks, the wallet, and a part in every round.

import { publish } from './channel.js';
import { PublishedLocks } from './published-locks.js';
import { takePart } from './round.js';
import { claimTab, type Tab } from './tabs.js';
import { StoredWallet } from './wallet.js';

export interface Participant {
  tab: Tab;
  locks: PublishedLocks;
  wallet: StoredWallet;
}

/** Joins the tabs that are open, under the name that is wanted if it is free. */
export async function join(wanted: string | null): Promise<Participant> {
  const { claim, ...tab } = await claimTab(wanted);
  // The back/forward cache took everything that this tab held.
  addEventListener('pageshow', () => claim.lost.aborted && location.reload());
  const wallet = await StoredWallet.open();
  const locks = new PublishedLocks(tab);
  takePart(tab, locks, wallet);
  publish('hello', null);
  return { tab, locks, wallet };
}
