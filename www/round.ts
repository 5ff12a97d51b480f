// "Pay from every tab at once": one tab calls for it, all pay, and the books are compared.

import { WebLockManager, type LockManager } from 'crosslock';
import { pay, payUnlocked } from './actions.js';
import { listen, now, publish } from './channel.js';
import { openTabs, type Tab } from './tabs.js';
import type { Statement, StoredWallet, Wallet } from './wallet.js';

export const AMOUNT = 1000;

export interface Round {
  id: string;
  locked: boolean;
  started: number;
}

/** One tab's part in a round: what it read and wrote, and when. */
export interface Part {
  round: string;
  tab: string;
  name: string;
  read?: { at: number; balance: number };
  wrote?: { at: number; balance: number };
  ended: number;
  /** Why it was not paid. */
  problem?: string;
}

export interface Result extends Round {
  parts: Part[];
  before: Statement;
  after: Statement;
}

/** Makes this tab pay whenever a tab calls for it. */
export function takePart(tab: Tab, locks: LockManager, wallet: Wallet): void {
  listen('round', async ({ id, locked }) => {
    const notes: Pick<Part, 'read' | 'wrote'> = {};
    const noted = noting(wallet, notes);
    const problem = await (locked ? pay(locks, noted, AMOUNT) : payUnlocked(noted, AMOUNT)).then(
      () => ({}),
      (error: Error) => ({ problem: error.message }),
    );
    publish('part', { round: id, tab: tab.id, name: tab.name, ended: now(), ...notes, ...problem });
  });
}

const rounds = new WebLockManager({ namespace: 'demo.rounds' });

/** Makes all tabs pay, and says what became of the money. One round at a time. */
export async function payFromEveryTab(wallet: StoredWallet, locked: boolean): Promise<Result> {
  await using _turn = await rounds.lock('round', { timeout: 60_000 });
  const round: Round = { id: crypto.randomUUID(), locked, started: now() };
  const before = await wallet.statement();
  const parts = await allParts(round, [...(await openTabs()).keys()]);
  const result = { ...round, parts, before, after: await wallet.statement() };
  publish('result', result);
  return result;
}

/** Resolves when every tab has answered or is gone. */
function allParts(round: Round, tabs: string[]): Promise<Part[]> {
  const parts: Part[] = [];
  const missing = new Set(tabs);
  return new Promise((resolve) => {
    const check = () => {
      if (missing.size > 0) return;
      clearInterval(watch);
      ignore();
      resolve(parts);
    };
    const watch = setInterval(async () => {
      const open = await openTabs();
      for (const tab of missing) if (!open.has(tab)) missing.delete(tab);
      check();
    }, 500);
    const ignore = listen('part', (part) => {
      if (part.round !== round.id) return;
      parts.push(part);
      missing.delete(part.tab);
      check();
    });
    publish('round', round);
  });
}

/** The wallet, with notes of what is read and written. */
function noting(wallet: Wallet, notes: Pick<Part, 'read' | 'wrote'>): Wallet {
  return {
    async balance() {
      const balance = await wallet.balance();
      notes.read = { at: now(), balance };
      return balance;
    },
    sign: (amount) => wallet.sign(amount),
    async send(payment, balance) {
      await wallet.send(payment, balance);
      notes.wrote = { at: now(), balance };
    },
  };
}
