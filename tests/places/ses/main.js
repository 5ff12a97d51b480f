import 'ses';
import { readFileSync } from 'node:fs';

// What the compartments are given, by their names; `lockdown` takes Date and Math.random from nobody else.
const worlds = {
  nothing: {},
  wasm: { WebAssembly },
  timers: { WebAssembly, setTimeout, clearTimeout },
};
const text = readFileSync('bundle.js', 'utf8');
lockdown();

const outcomes = {};
for (const [world, globals] of Object.entries(worlds)) {
  const { MemoryLockManager } = new Compartment({ globals, __options__: true }).evaluate(`${text}; crosslock`);
  const locks = new MemoryLockManager();
  try {
    const guard = await locks.lock('k', { timeout: 0 });
    const second = await locks.tryLock('k');
    const { code } = await locks.lock('k', { timeout: 20 }).catch((error) => error);
    await guard.release();
    outcomes[world] = { isExclusive: second === null, wait: code };
  } catch ({ message }) {
    outcomes[world] = { message };
  }
}
console.log(JSON.stringify(outcomes));
