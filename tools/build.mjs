// npm run build

import { makePackage, printSizes } from './package.mjs';
import { say, script } from './run.mjs';

await script(async () => {
  if (!(await makePackage())) say('pkg/ is up to date');
  printSizes();
});
