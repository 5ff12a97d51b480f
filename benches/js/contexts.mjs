// What is compared among several tabs, workers or threads. Whoever drives them calls their `jobs`.

import { compare, compareAll } from './harness.mjs';
import { KEY, memoryScenes, queueScenes, uncontendedScenes } from './scenes.mjs';
import { web } from './web.mjs';

/** @typedef {import('./harness.mjs').Comparison} Comparison */

/** In milliseconds: many times as long as a lock may be handed on within one context. */
const WINDOW = 150;
/** Until when all have heard that it begins. */
const START = 20;

const contestants = web();
let free, granted;

/** What a page, worker or thread does when it is told to. */
export const jobs = {
  /** So many tasks ask for the lock over and over; what they had of it in a window of time. */
  async contend({ contestant, tasks, from, until }) {
    const { request } = contestants[contestant];
    let turns = 0;
    let longestWait = 0;
    const task = async () => {
      while (Date.now() < until) {
        const start = performance.now();
        await request(KEY, async () => {
          const now = Date.now();
          if (now < from || now >= until) return;
          turns++;
          longestWait = Math.max(longestWait, performance.now() - start);
        });
      }
    };
    await Promise.all(Array.from({ length: tasks }, task));
    return { turns, longestWait };
  },

  async hold({ contestant }) {
    const { lock, release } = contestants[contestant];
    const held = await lock(KEY);
    free = () => release(held);
  },

  /** Resolves when the request is in the queue. */
  async queue({ contestant }) {
    const { lock, release, isPending } = contestants[contestant];
    granted = lock(KEY).then((held) => {
      free = () => release(held);
      return timestamp();
    });
    while (!(await isPending(KEY)));
  },

  /** Frees the lock; when it began to. */
  release() {
    const now = timestamp();
    void free();
    return now;
  },

  granted: () => granted,

  // What is compared within this context.
  memory: async ({ form, ...options }) => compareAll(memoryScenes(options)[form]),
  uncontended: (options) => compareAll(uncontendedScenes(options)),
  queueing: (options) => compareAll(queueScenes(options)),
};

const timestamp = () => performance.timeOrigin + performance.now();

/**
 * A context that is told what to do.
 *
 * @typedef {{ call(job: string, argument?: unknown): Promise<any> }} Member
 */

/**
 * The turns that the members get who all want one lock, each with so many tasks: how long one takes,
 * and the longest that any of them waited.
 *
 * @param {Member[]} members
 * @returns {Promise<Comparison[]>}
 */
export async function contention(what, members, { tasks, rounds }) {
  const title = `${members.length} ${what} with ${tasks === 1 ? 'a task' : `${tasks} tasks`} each`;
  const longest = contestants.map(({ name }) => ({ name, nanoseconds: [] }));
  const comparison = await compare({
    title,
    operations: 1,
    rounds,
    contestants: contestants.map(({ name }, contestant) => ({
      name,
      async run() {
        const from = Date.now() + START;
        const order = { contestant, tasks, from, until: from + WINDOW };
        const all = await Promise.all(members.map((member) => member.call('contend', order)));
        longest[contestant].nanoseconds.push(1e6 * Math.max(...all.map(({ longestWait }) => longestWait)));
        return WINDOW / all.reduce((sum, { turns }) => sum + turns, 0);
      },
    })),
  });
  for (const { nanoseconds } of longest) nanoseconds.shift(); // the warm-up
  return [comparison, { title: `${title}: the longest wait`, results: longest }];
}

/**
 * From the release in one member to the grant in the other. There and back, so that it does not
 * matter how far apart their clocks are.
 *
 * @param {[Member, Member]} members
 * @returns {Promise<Comparison>}
 */
export const handOff = (what, [one, two], { rounds }) =>
  compare({
    title: `from release in one ${what} to grant in another`,
    operations: 2,
    rounds,
    contestants: contestants.map(({ name }, contestant) => ({
      name,
      run: async () => (await oneWay(one, two, contestant)) + (await oneWay(two, one, contestant)),
    })),
  });

async function oneWay(from, to, contestant) {
  await from.call('hold', { contestant });
  await to.call('queue', { contestant });
  const released = await from.call('release');
  const granted = await to.call('granted');
  await to.call('release');
  return granted - released;
}
