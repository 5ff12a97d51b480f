// What every place runs: copied into each project, and given the package as that project imports it.

/** What each manager did, in words: `exclusive`, or the code of the error that it fails with. */
export async function scenario({ LockError, MemoryLockManager, WebLockManager, platformDefault }) {
  const outcome = async (open) => {
    try {
      return await proveExclusion(await open());
    } catch (error) {
      if (error instanceof LockError) return error.code;
      throw error;
    }
  };
  return {
    memory: await outcome(() => new MemoryLockManager()),
    web: await outcome(() => new WebLockManager()),
    platform: await outcome(() => platformDefault({ namespace: 'wallet' })),
    badKey: await outcome(() => ({ tryLock: () => new MemoryLockManager().tryLock('_') })),
  };
}

/** Takes a lock, is refused it a second time, waits for it, is handed it, and gives up a wait for it. */
async function proveExclusion(locks) {
  const guard = await locks.tryLock('round.7');
  check(guard?.key === 'round.7', 'tryLock gets a free lock');
  check((await locks.tryLock('round.7')) === null, 'tryLock gets no lock that is held');

  let released = false;
  const turn = locks.lock('round.7', { timeout: 60_000 }).then((next) => ({ next, released }));
  const given = new AbortController();
  const givenUp = locks.lock('round.7', { timeout: 60_000, signal: given.signal }).catch((reason) => reason);
  await untilPending(locks, 2);
  given.abort('enough');
  check((await givenUp) === 'enough', 'an aborted wait ends with the reason of its signal');

  released = true;
  await guard.release();
  const handed = await turn;
  check(handed.released, 'a wait ends no sooner than the lock is released');
  check(!handed.next.lost.aborted, 'a lock that was handed over is held');
  await handed.next.release();

  const again = await locks.tryLock('round.7');
  check(again !== null, 'a lock that was released is free');
  await again.release();
  return 'exclusive';
}

async function untilPending(locks, count) {
  while ((await locks.query()).pending.length !== count);
}

function check(held, promise) {
  if (!held) throw new Error(`not so: ${promise}`);
}
