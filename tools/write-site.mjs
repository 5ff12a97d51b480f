// npm run site -- FOLDER: writes the demo into a folder, to be published.

import { makePackage } from './package.mjs';
import { Problem, say, script } from './run.mjs';

await script(async () => {
  const [folder, ...more] = process.argv.slice(2);
  if (!folder || more.length > 0) throw new Problem('Usage: npm run site -- FOLDER');
  await makePackage();
  const { writeSite } = await import('./site.mjs');
  await writeSite(folder);
  say(`the demo is in ${folder}`);
});
