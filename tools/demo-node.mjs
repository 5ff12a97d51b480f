// The Node process of the demo: takes the datadir by the addon, as a desktop wallet does, and says what happens.
// node tools/demo-node.mjs DATADIR; it ends at the end of its input.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pkg } from './size.mjs';

const { platformDefault } = await import(pathToFileURL(join(pkg, 'node.js')).href);
const [datadir] = process.argv.slice(2);

const start = performance.now();
const since = () => `${Math.round(performance.now() - start)} ms`;
console.log('asked for the datadir');
try {
  const locks = await platformDefault({ datadir });
  console.log(`ours after ${since()}: ${locks.scope}`);
  const guard = await locks.lock('wallet.balance', { timeout: 1000 });
  console.log(`holds "${guard.key}", granted after ${since()}`);
  for await (const _ of process.stdin);
  await guard.release();
  await locks.close();
  console.log(`released after ${since()}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 75;
}
