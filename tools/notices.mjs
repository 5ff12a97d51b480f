// The notices of what is compiled into a package: most licences let others have it only together with their text.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dependencies } from './licences.mjs';
import { Problem, output } from './run.mjs';

/** A file by this name is in each package that has compiled code in it. */
export const NOTICES = 'LICENSE-THIRD-PARTY';

/** The names, licences and notices of all that is compiled into a crate for a target, as a text. */
export function notices(crate, target) {
  const metadata = output('cargo', 'metadata', '--format-version', '1', '--locked', '--filter-platform', target);
  if (metadata === undefined) throw new Problem('`cargo metadata --locked` fails; is Cargo.lock up to date?');
  // Of Cargo's kinds of dependencies that without a name is what is linked. Macros run when it is compiled.
  const isMacro = ({ targets }) => targets.some(({ kind }) => kind.includes('proc-macro'));
  const isLinked = (kinds, found) => kinds.some(({ kind }) => kind === null) && !isMacro(found);
  const linked = dependencies(JSON.parse(metadata), crate, isLinked).filter(({ source }) => source);
  const used = [...linked.map(ofCrate), ofRust()];

  const titles = new Map(used.map(({ text }) => [text, []]));
  for (const { title, text } of used) titles.get(text).push(title);
  const parts = [...titles].map(([text, those]) => `${those.join('\n')}\n\n${text}\n`);
  return [`What is compiled into this package beside crosslock itself, and the licence that it is used under.\n`, ...parts].join(
    `\n${'-'.repeat(80)}\n\n`,
  );
}

function ofCrate({ name, version, license, authors, manifest_path: manifest }) {
  const folder = dirname(manifest);
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  // Where there is a choice, it is MIT.
  const hasMit = files.some((file) => /mit/i.test(file));
  const chosen = hasMit ? files.filter((file) => !/apache|copying/i.test(file)) : files;
  const title = `${name} ${version} (${license})`;
  if (chosen.length > 0) return { title, text: chosen.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n') };
  // Some crates name a licence, and have no text of it.
  if (license !== 'MIT') throw new Problem(`the crate ${name} has no text of its licence, ${license}`);
  return { title, text: mit(authors.join(', ') || `the authors of ${name}`) };
}

const ofRust = () => ({
  title: `The standard library of ${output('rustc', '--version').trim()} (MIT OR Apache-2.0)`,
  text: mit('The Rust Project Contributors'),
});

/** The licence as the Open Source Initiative has it. */
const mit = (owner) => `Copyright (c) ${owner}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
