// What the buttons do. The page shows it as their code: the regions of this file are copied into the page
// when the site is built. `examples/race.rs` has the same regions in Rust.

import { LockError, type LockGuard, type LockInfo, type LockManager, type LockMode } from 'crosslock';
import { NotEnough, type Wallet } from './wallet.js';

/** A lock that a tab requests. */
export interface LockRequest {
  key: string;
  mode: LockMode;
}

/** What is done while the lock is held. Its promise is rejected if the lock is lost. */
export type Work = (guard: LockGuard) => Promise<void>;

// #region pay-unlocked
export async function payUnlocked(wallet: Wallet, amount: number) {
  const balance = await wallet.balance();
  if (balance < amount) throw new NotEnough();

  const payment = await wallet.sign(amount); // takes a while: other tabs run on
  await wallet.send(payment, balance - amount);
}
// #endregion

// #region pay
export async function pay(locks: LockManager, wallet: Wallet, amount: number) {
  await using guard = await locks.lock('wallet.balance', { timeout: 30_000 });
  const balance = await wallet.balance();
  if (balance < amount) throw new NotEnough();

  const payment = await wallet.sign(amount); // takes a while: other tabs wait
  guard.lost.throwIfAborted(); // right before what cannot be undone
  await wallet.send(payment, balance - amount);
}
// #endregion

export async function hold(locks: LockManager, { key, mode }: LockRequest, signal: AbortSignal, work: Work) {
  // #region hold
  await using guard = await locks.lock(key, { mode, signal, timeout: Infinity });
  await work(guard); // until "Release"
  // freed here, whatever happened; and if the tab dies, by the browser
  // #endregion
}

export async function wait(
  locks: LockManager,
  { key, mode }: LockRequest,
  work: Work,
  say: (text: string) => void,
) {
  // #region wait
  try {
    await using guard = await locks.lock(key, { mode, timeout: 2_000 });
    await work(guard);
  } catch (error) {
    if (!(error instanceof LockError && error.code === 'TIMED_OUT')) throw error;
    say(error.message); // nothing is left in the queue
  }
  // #endregion
}

export async function attempt(
  locks: LockManager,
  { key, mode }: LockRequest,
  work: Work,
  say: (text: string) => void,
) {
  // #region try
  await using guard = await locks.tryLock(key, { mode });
  if (guard) await work(guard);
  else say(`${key} is held by someone else`);
  // #endregion
}

export async function steal(locks: LockManager, key: string, work: Work) {
  // #region steal
  // Only when a person decides that the holder is dead.
  await locks.request(key, { steal: true }, async (guard) => {
    await work(guard); // whoever had it finds its own guard `lost`
  });
  // #endregion
}

export function block(guard: LockGuard | undefined, milliseconds: number) {
  // #region block
  const end = performance.now() + milliseconds;
  while (performance.now() < end); // nothing else in this tab runs

  // Still held, unless somebody stole it meanwhile: then this throws.
  guard?.lost.throwIfAborted();
  // #endregion
}

/** A key, who holds it, and who waits for it. */
export interface Row {
  key: string;
  holders: LockInfo[];
  queue: LockInfo[];
}

export async function query(locks: LockManager): Promise<Row[]> {
  // #region query
  const { held, pending } = await locks.query(); // of all tabs, to show and not to decide by
  const keys = new Set([...held, ...pending].map(({ key }) => key));
  return [...keys].sort().map((key) => ({
    key,
    holders: held.filter((lock) => lock.key === key),
    queue: pending.filter((lock) => lock.key === key), // in the order of their turns
  }));
  // #endregion
}
