// What a client in JavaScript does: in a tab, a worker or a thread of Node.

/**
 * Uses locks at random, by the seed, and tells of it. `tell` gets the name of an event and what belongs to it
 * (tests/history/src/event.rs); `settle` resolves when the platform has heard of all releases and aborts; `rest` is
 * what a holder does.
 */
export async function useLocks({ manager, tell, settle, rest, seed, operations, keys, shortest, steals = true, tasks = 4 }) {
  let state = seed >>> 0;
  /** Below `bound`, by a linear congruence (Numerical Recipes). */
  const random = (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  const tellGone = async (event, rest) => {
    await settle();
    return tell(event, rest);
  };
  let last = 0;

  async function hold(request, guard) {
    await tell('granted', { request });
    await rest(random);
    if (guard.lost.aborted) await tell('lost', { request });
    await tell('releasing', { request });
  }

  async function lock(request, key, mode) {
    const timeout = random(4) === 0 ? random(shortest) : 60_000;
    const abort = random(8) === 0 ? new AbortController() : undefined;
    // The timers of Node count in milliseconds that began before they were set: they fire up to one early.
    await tell('asked', { request, key, mode, how: 'lock', timeout: Math.max(0, timeout - 1) * 1e6 });
    let isAnswered = false;
    const wait = manager.lock(key, { mode, timeout, signal: abort?.signal });
    const answered = () => (isAnswered = true);
    wait.then(answered, answered);
    if (abort || random(2) === 0) {
      // The answer comes behind the request.
      await manager.query();
      if (!isAnswered) await tell('queued', { request });
      if (abort && !isAnswered) {
        await tell('giving-up', { request });
        abort.abort();
      }
    }
    let guard;
    try {
      guard = await wait;
    } catch (error) {
      const why = { TIMED_OUT: 'timed-out', LOST: 'lost' }[error.code] ?? (error.name === 'AbortError' ? 'withdrawn' : undefined);
      if (!why) throw error;
      return tellGone('ended', { request, why });
    }
    await hold(request, guard);
    await guard.release();
    return tellGone('released', { request });
  }

  async function tryLock(request, key, mode) {
    await tell('asked', { request, key, mode, how: 'try-lock' });
    let guard;
    try {
      guard = await manager.tryLock(key, { mode });
    } catch (error) {
      if (error.code !== 'LOST') throw error;
      return tellGone('ended', { request, why: 'lost' });
    }
    if (!guard) return tell('ended', { request, why: 'busy' });
    await hold(request, guard);
    await guard.release();
    return tellGone('released', { request });
  }

  async function steal(request, key) {
    await tell('asked', { request, key, mode: 'exclusive', how: 'steal' });
    let held;
    try {
      await manager.request(key, { steal: true }, (guard) => (held = hold(request, guard)));
    } catch (error) {
      // Stolen in turn: before the callback had its turn, or while it runs. It is not interrupted.
      if (error.name !== 'AbortError') throw error;
      if (!held) return tellGone('ended', { request, why: 'lost' });
      await held;
    }
    return tellGone('released', { request });
  }

  const task = async () => {
    while (last < operations) {
      const request = ++last;
      const key = keys[random(keys.length)];
      const mode = random(2) === 0 ? 'exclusive' : 'shared';
      const what = random(100);
      if (what === 0 && steals) await steal(request, key);
      else if (what < 20) await tryLock(request, key, mode);
      else await lock(request, key, mode);
    }
  };
  await Promise.all(Array.from({ length: tasks }, task));
}
