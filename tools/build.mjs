// npm run build [-- --accept-size]

import { parseArgs } from 'node:util';
import { makePackage } from './package.mjs';
import { say, script } from './run.mjs';
import { acceptSizes, printSizes } from './size.mjs';

await script(async () => {
  const { 'accept-size': accept } = parseArgs({ options: { 'accept-size': { type: 'boolean' } } }).values;
  if (!(await makePackage({ limitSize: !accept }))) say('pkg/ is up to date');
  if (accept) acceptSizes();
  printSizes();
});
