// What the types allow and what they refuse, as an application that installed the package sees it.
// Checked by the compiler, never run.

import {
  LockError,
  LockGuard,
  LockManager,
  MemoryLockManager,
  platformDefault,
  WebLockManager,
  type LockErrorCode,
  type LockErrorData,
  type LockGuards,
  type LockInfo,
  type LockMode,
  type LockScope,
} from 'crosslock';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<Expected>() {
  // No arrow function: in .mts and .cts that needs `<Actual,>`, and Biome takes the comma away.
  function check<Actual>(_value: Actual, _same: Same<Actual, Expected>): void {}
  return check;
}

declare const signal: AbortSignal;
declare const maybe: boolean;

export async function managers(): Promise<LockManager[]> {
  new WebLockManager({ namespace: 'n', label: 'l', warnAfter: 1000 });
  new MemoryLockManager({ label: undefined });
  // @ts-expect-error: Web Locks have namespaces, memory has none
  new MemoryLockManager({ namespace: 'n' });
  // @ts-expect-error: abstract
  new LockManager();
  // @ts-expect-error: nor can it be extended, as nobody else can open locks
  class Own extends LockManager {
    scope = 'process' as const;
  }
  new Own();
  // What can be made can be extended.
  class Labelled extends MemoryLockManager {}
  expectType<boolean>()(new Labelled() instanceof LockManager, true);
  // @ts-expect-error: only managers make guards
  new LockGuard();
  expectType<LockScope>()(new WebLockManager().scope, true);
  // @ts-expect-error: read-only
  new WebLockManager().scope = 'process';
  return [await platformDefault(), await platformDefault({ namespace: 'n' })];
}

export async function locking(locks: LockManager): Promise<void> {
  {
    await using guard = await locks.lock('k', { timeout: 1000, signal, mode: 'shared' });
    expectType<LockGuard>()(guard, true);
    expectType<LockMode>()(guard.mode, true);
    expectType<AbortSignal>()(guard.lost, true);
    expectType<Promise<void>>()(guard.release(), true);
    expectType<Promise<void>>()(guard.downgrade(), true);
    // @ts-expect-error: read-only
    guard.key = 'other';
  }
  {
    using _guard = await locks.lock('k', { timeout: Infinity });
  }
  {
    await using guard = await locks.tryLock('k', { mode: 'shared' });
    expectType<LockGuard | null>()(guard, true);
    // @ts-expect-error: it may be held by someone else
    guard.key;
  }
  {
    await using guards = await locks.lockMany(new Set(['a', 'b']), { timeout: 1000 });
    expectType<LockGuards>()(guards, true);
    expectType<string[]>()(
      guards.map(({ key }) => key),
      true,
    );
    await guards.release();
    // @ts-expect-error: read-only
    guards.push();
  }

  // @ts-expect-error: a timeout is required
  await locks.lock('k');
  // @ts-expect-error: a timeout is required
  await locks.lock('k', {});
  // @ts-expect-error: a timeout is required
  await locks.lock('k', { signal });
  // @ts-expect-error: a timeout is a number
  await locks.lock('k', { timeout: undefined });
  // @ts-expect-error: a timeout is required
  await locks.lockMany(['a'], { signal });
  // @ts-expect-error: it locks exclusively
  await locks.lockMany(['a'], { timeout: 0, mode: 'shared' });
  // @ts-expect-error: it does not wait
  await locks.tryLock('k', { timeout: 0 });
  // @ts-expect-error: no such mode
  await locks.lock('k', { timeout: 0, mode: 'write' });
}

export async function requests(locks: LockManager): Promise<void> {
  expectType<number>()(await locks.request('k', async (lock) => lock.name.length), true);
  expectType<string>()(await locks.request('k', { timeout: 1000, mode: 'shared', signal }, (lock) => lock.key), true);
  expectType<string | undefined>()(await locks.request('k', { ifAvailable: true }, (lock) => lock?.key), true);
  await locks.request('k', { steal: true }, (lock) => lock.lost.throwIfAborted());
  // @ts-expect-error: with ifAvailable there may be no lock
  await locks.request('k', { ifAvailable: true }, (lock) => lock.key);
  // @ts-expect-error: nor can it be known to be there
  await locks.request('k', { ifAvailable: maybe }, (lock) => lock.key);
  // @ts-expect-error: a callback is required
  await locks.request('k', { timeout: 1000 });
}

export async function answers(locks: LockManager): Promise<void> {
  const { held, pending } = await locks.query();
  expectType<LockInfo[]>()(held, true);
  expectType<number | undefined>()(pending[0]?.age, true);
  console.table(held);
}

export function errors(error: unknown): string {
  if (!(error instanceof LockError)) return 'other';
  expectType<LockErrorCode>()(error.code, true);
  expectType<string | undefined>()(error.key, true);
  expectType<LockErrorData>()(error.toJSON(), true);
  expectType<LockError | undefined>()(LockError.from(error as unknown), true);
  // @ts-expect-error: no such code
  if (error.code === 'TIMEOUT') return 'misspelled';
  return error.code === 'TIMED_OUT' ? 'busy' : error.message;
}
