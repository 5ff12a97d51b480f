// The memory that is left when nobody holds a lock any more. Needs Node's --expose-gc.

import { setImmediate } from 'node:timers/promises';
import { crosslock, peers } from './keyed.mjs';
import { integer, printTable } from './report.mjs';
import { turnOf } from './scenes.mjs';

const KEYS = 100_000;

let memory;
WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(...args) {
    super(...args);
    memory ??= this.exports.memory; // ours is the first
  }
};

/** Prints what is left of many keys, in bytes each. */
export async function printLeft() {
  const rows = [];
  for (const keyed of [crosslock(), ...peers()]) {
    await use(keyed, 'lightning'); // the module may have to be loaded
    rows.push([
      keyed.name,
      await left('one', async (keys) => {
        for (const key of keys) await use(keyed, key);
      }),
      // Twice: the second time finds what the first has left.
      await left('all', (keys) => Promise.all(keys.map((key) => use(keyed, key)))),
      await left('again', (keys) => Promise.all(keys.map((key) => use(keyed, key)))),
    ]);
  }
  const title = `left of ${integer(KEYS)} keys, bytes a key`;
  printTable([title, 'locked one after the other', 'then others, all at once', 'and others again'], rows);
}

const use = (keyed, key) => (keyed.lock ? turnOf(keyed, key)() : keyed.request(key, () => {}));

async function left(prefix, work) {
  const keys = Array.from({ length: KEYS }, (_, i) => `${prefix}.send.${i}`);
  void new Set(keys); // flattens the strings, which would otherwise shrink while we count
  const before = await used();
  await work(keys);
  const bytes = (await used()) - before;
  return integer(bytes / keys.length);
}

/** On JavaScript's heap and in the memory of wasm, which never gets smaller. */
async function used() {
  // What is collected first may have been kept by finalizers, which run in between.
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await setImmediate();
  }
  return process.memoryUsage().heapUsed + (memory?.buffer.byteLength ?? 0);
}
