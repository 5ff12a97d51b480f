// A client in a browser, which is a tab or a worker of one: it uses locks at random, and tells the server of it.
// In a worker it does what its tab asks for, and answers.

import { WebLockManager } from '/crosslock/index.js';
import { useLocks } from '/use-locks.js';

/** Takes a lock of this name, and resolves to what the browser calls this client in `query()`. */
export async function nameItself(context) {
  const own = (held) => held.find(({ name }) => name === context).clientId;
  return navigator.locks.request(context, async () => own((await navigator.locks.query()).held));
}

export async function useThem({ context, passing, seed, operations }) {
  let untold = [];
  let isTelling = false;
  /** Tells what there is. What comes meanwhile is told together, after it. */
  async function tellAll() {
    isTelling = true;
    while (untold.length > 0) {
      const telling = untold;
      untold = [];
      const body = JSON.stringify({ context, events: telling.map(({ event }) => event) });
      await fetch('/history', { method: 'POST', body }).catch(noMore);
      for (const { resolve } of telling) resolve();
    }
    isTelling = false;
  }
  await useLocks({
    manager: new WebLockManager({ namespace: 'history', passing }),
    tell: (event, rest) =>
      new Promise((resolve) => {
        untold.push({ event: { event, ...rest }, resolve });
        if (!isTelling) tellAll();
      }),
    // The browser hears of a release and an abort in another process, and they do not wait for that. What it says to
    // a query comes behind them.
    settle: () => navigator.locks.query(),
    // Not by a timer, which a browser lets wait for a second in a tab that is out of sight.
    rest: async (random) => {
      if (random(4) === 0) await fetch(`/rest?for=${random(10)}`).catch(noMore);
    },
    seed,
    operations,
    keys: [0, 1, 2].map((key) => `history.${key}`),
    shortest: 30,
  });
}

/** The server is not reached when the page is about to go: then nobody is to go on. */
const noMore = () => new Promise(() => {});

if (!globalThis.document) {
  const calls = { nameItself, useThem };
  addEventListener('message', async ({ data: [call, argument] }) => {
    try {
      postMessage({ result: await calls[call](argument) });
    } catch (error) {
      postMessage({ error: String(error) });
    }
  });
}
