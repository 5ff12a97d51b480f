// Code for the demo to show: regions of files that are compiled, coloured, in place of `<!-- code NAME -->`.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import hljs from 'highlight.js/lib/core';
import rust from 'highlight.js/lib/languages/rust';
import typescript from 'highlight.js/lib/languages/typescript';
import { root } from './run.mjs';

hljs.registerLanguage('typescript', typescript);
hljs.registerLanguage('rust', rust);

const sources = { typescript: 'www/actions.ts', rust: 'examples/race.rs' };
const names = { typescript: 'TypeScript', rust: 'Rust' };

/** Puts the code into a page. */
export function showCode(page) {
  return page.replaceAll(/<!-- code ([\w-]+) -->/g, (_, name) =>
    Object.entries(sources)
      .map(([language, file]) => {
        const code = region(readFileSync(join(root, file), 'utf8'), name, file);
        const { value } = hljs.highlight(code, { language });
        // It scrolls where it is narrow, so the keyboard must be able to go there.
        const label = `role="group" aria-label="${names[language]}"`;
        return `<pre data-language="${language}" tabindex="0" ${label}><code>${value}</code></pre>`;
      })
      .join('\n'),
  );
}

/** The lines between `// #region name` and `// #endregion`, moved to the left margin. */
function region(text, name, file) {
  const [, lines] = text.match(new RegExp(`^ *// #region ${name}\\n(.*?)^ *// #endregion`, 'ms')) ?? [];
  if (lines === undefined) throw new Error(`${file} has no region ${name}`);
  const margin = Math.min(...lines.match(/^ *(?=\S)/gm).map(({ length }) => length));
  return lines.replaceAll(new RegExp(`^ {${margin}}`, 'gm'), '').trimEnd();
}
