// Runs the worker that Wrangler has bundled, asks it once, and prints its answer.

import { readdirSync } from 'node:fs';
import { Miniflare } from 'miniflare';

const [wasm] = readdirSync('dist').filter((name) => name.endsWith('.wasm'));
const miniflare = new Miniflare({
  rootPath: 'dist',
  modules: [
    { type: 'ESModule', path: 'worker.js' },
    { type: 'CompiledWasm', path: wasm },
  ],
  compatibilityDate: '2026-01-01',
});
const response = await miniflare.dispatchFetch('http://localhost/');
console.log(await response.text());
await miniflare.dispose();
