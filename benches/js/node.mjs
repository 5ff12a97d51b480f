// Node: one thread, and several. Started by tools/bench.mjs: node --expose-gc node.mjs ROUNDS.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import { Worker } from 'node:worker_threads';
import './addon.mjs';
import { contention, handOff } from './contexts.mjs';
import { firstLock, inMemory } from './first-lock.mjs';
import { compare, compareAll, endWithin } from './harness.mjs';
import { printLeft } from './left.mjs';
import { heading, printContestants, printScenes, printTimes, progress } from './report.mjs';
import { boundary, memoryScenes, queueScenes, uncontendedScenes } from './scenes.mjs';

const rounds = Number(process.argv[2]);
const meter = { allocated: () => getHeapStatistics().total_allocated_bytes };

/** What an application imports an entry by. */
const folder = installed();
const names = {
  'index.js': 'crosslock',
  'node.js': 'crosslock',
  'wasm-url.js': 'crosslock/wasm-url',
  'async-mutex': 'async-mutex',
};

endWithin(10);
heading(`Node ${process.versions.node}`);

for (const [form, scenes] of Object.entries(memoryScenes({ rounds }))) {
  progress(`in memory: ${form}`);
  printContestants(form, await compareAll(scenes, meter));
}
progress('what is left, the boundary of wasm, the first lock');
await printLeft();
printTimes(await compare(boundary({ rounds })));
printContestants('from import to first lock', [
  await firstLock((entry) => names[entry], inFreshNode, {
    rounds,
    others: { 'crosslock, by the addon': ['node.js', inMemory] },
  }),
]);

progress('Web Locks in one thread');
const options = { operations: 500, rounds };
const comparisons = await compareAll([...uncontendedScenes(options), ...queueScenes(options)]);
progress('Web Locks among threads');
const threads = [thread(), thread()];
for (const tasks of [1, 100]) {
  comparisons.push(...(await contention('threads', threads, { tasks, rounds })));
}
comparisons.push(await handOff('thread', threads, { rounds: 3 * rounds }));
printScenes('`WebLockManager`', comparisons);
await Promise.all(threads.map((thread) => thread.end()));

function thread() {
  const worker = new Worker(new URL('thread.mjs', import.meta.url));
  return {
    async call(job, argument) {
      const answer = once(worker, 'message'); // rejects if the thread fails
      worker.postMessage({ job, argument });
      const [result] = await answer;
      return result;
    },
    end: () => worker.terminate(),
  };
}

/** A folder with our package and its peer installed, to import both by their names as an application does. */
function installed() {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [name, from] of Object.entries({
    crosslock: '../../pkg',
    'async-mutex': '../../node_modules/async-mutex',
  })) {
    cpSync(new URL(from, import.meta.url), join(folder, 'node_modules', name), { recursive: true });
  }
  return folder;
}

async function inFreshNode(source, entry) {
  // As a page has it: in Node, the same name leads to the addon.
  const conditions = entry === 'index.js' ? ['--conditions=browser'] : [];
  const flags = [...conditions, '--input-type=module', '--eval', `console.log(await ${source});`];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: folder });
  return Number(stdout);
}
