// What threads of Node saw of their locks keeps the contract, with threads that are terminated in the middle.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { lineOf, operations, seed, verdict } from './verdict.mjs';

const all = operations(20_000);
/** As many as are looked at together, so that no history outgrows the memory. */
const chunk = 100_000;

/** Every other thread is terminated after so many requests, on average; the others end after as many. */
const life = 500;

/** How many threads there are at a time, and whether each has keys of its own. */
const backends = {
  // A thread has a WebAssembly of its own, and with it keys.
  wasm: { threads: 2, areApart: true },
  addon: { threads: 3, areApart: false },
  // One after the other: the next one opens the datadir when the one before has ended.
  fcntl: { threads: 2, areApart: false },
  flock: { threads: 2, areApart: false },
  // Threads are openers like processes. In which order those joined the queue of a key, their clients cannot see.
  shared: { threads: 3, areApart: false, contract: ['--within-contexts'] },
};

describe('histories of threads', { timeout: 7_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-history-'));
  after(() => rmSync(folder, { recursive: true }));

  let last = 0;

  /** What so many requests were like, some threads at a time. */
  async function history(backend, { threads, areApart }, requests) {
    const file = join(folder, `${backend}-${last}`);
    const prefix = `history.${last}`;
    let left = requests;
    const lives = Array.from({ length: threads }, async () => {
      while (left > 0) {
        const number = ++last;
        const random = mixed(seed + number);
        const share = 1 + (random % Math.min(2 * life, left));
        left -= share;
        const isTerminated = number % 2 === 0;
        const context = `thread ${number}`;
        const workerData = {
          ...{ backend, context, folder, file, share, seed: random },
          keys: [0, 1, 2].map((key) => `${areApart ? `history.${number}` : prefix}.${key}`),
          // Who is to be terminated does not come to its end.
          operations: isTerminated ? 1e9 : share,
        };
        const worker = new Worker(new URL('thread.mjs', import.meta.url), { workerData });
        const ended = once(worker, 'exit');
        if (!isTerminated) {
          assert.deepEqual(await ended, [0]);
          continue;
        }
        await once(worker, 'message');
        if (random % 3 === 0) await setTimeout(random % 4);
        appendFileSync(file, `${lineOf({ context, event: 'killing' })}\n`);
        await worker.terminate();
        appendFileSync(file, `${lineOf({ context, event: 'dead' })}\n`);
      }
    });
    await Promise.all(lives);
    const text = readFileSync(file, 'utf8');
    rmSync(file);
    return [text];
  }

  for (const [backend, how] of Object.entries(backends)) {
    test(backend, async (t) => {
      t.diagnostic(`CROSSLOCK_OPERATIONS=${all} CROSSLOCK_SEED=${seed}`);
      const before = last;
      for (let done = 0; done < all; done += chunk) {
        const texts = await history(backend, how, Math.min(chunk, all - done));
        assert.equal(await verdict(texts, how.contract), 0);
      }
      t.diagnostic(`of ${last - before} threads every other was terminated`);
    });
  }

  test('locks that do not reach other threads are found out', async () => {
    const text = await history('wasm', { threads: 2, areApart: false }, 10_000);
    assert.equal(await verdict(text, [], { isSilent: true }), 1);
  });
});

/** A number of 32 bits that looks like any other (the finalizer of MurmurHash3). */
function mixed(number) {
  let n = number >>> 0;
  n = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35);
  return (n ^ (n >>> 16)) >>> 0;
}
