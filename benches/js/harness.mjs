// Side by side: every contestant of a scene runs in every round, so that whatever else the machine
// does hits all of them alike. What counts is the median over the rounds of the ratio between two of
// them in the same round; times only give an idea. Runs in pages, workers and Node alike.

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {(times: number) => number | Promise<number>} run Does the operation so many times, and
 *   says how many milliseconds that took.
 *
 * @typedef {object} Scene
 * @property {string} title
 * @property {number} operations In each round: enough for a round of some milliseconds.
 * @property {number} rounds
 * @property {Contestant[]} contestants
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {number[]} nanoseconds Of one operation, for each round.
 * @property {number} [bytes] What one operation allocates on the JavaScript heap.
 *
 * @typedef {{ title: string, results: Result[] }} Comparison
 */

/** A contestant that does one operation a call. */
export const each = (name, operation) => ({
  name,
  async run(times) {
    const start = performance.now();
    for (let i = 0; i < times; i++) await operation();
    return performance.now() - start;
  },
});

/**
 * Runs a scene.
 *
 * @param {Scene} scene
 * @param {{ allocated?: () => number }} [meter] The bytes that were allocated since the start, where
 *   the platform counts them.
 * @returns {Promise<Comparison>}
 */
export async function compare({ title, operations, rounds, contestants }, { allocated } = {}) {
  const results = contestants.map(({ name }) => ({ name, nanoseconds: [] }));
  for (const { run } of contestants) await run(Math.ceil(operations / 10)); // warm up
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < contestants.length; place++) {
      // Not always in the same order: who comes first may find cold caches, or the garbage of the last.
      const i = (place + round) % contestants.length;
      const milliseconds = await contestants[i].run(operations);
      results[i].nanoseconds.push((milliseconds * 1e6) / operations);
    }
  }
  // Last, as the compiler allocates, too, until it has seen enough.
  for (const [i, { run }] of allocated ? contestants.entries() : []) {
    const before = allocated();
    await run(operations);
    results[i].bytes = (allocated() - before) / operations;
  }
  return { title, results };
}

/** Runs scenes one after the other. */
export async function compareAll(scenes, meter) {
  const comparisons = [];
  for (const scene of scenes) comparisons.push(await compare(scene, meter));
  return comparisons;
}

/** Ends the process, with all that it has started, if it is not done by then: a lock may never come. */
export function endWithin(minutes) {
  const giveUp = () => {
    console.error(`crosslock: not done after ${minutes} minutes`);
    process.exit(1);
  };
  setTimeout(giveUp, minutes * 60_000).unref();
}

/** The median over the rounds of how much of `theirs` `ours` takes. */
export const ratio = (ours, theirs) =>
  median(ours.nanoseconds.map((time, round) => time / theirs.nanoseconds[round]));

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
