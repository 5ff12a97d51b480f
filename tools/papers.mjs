// The repository's Markdown as pages of the site, and what the guide shows of it.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import hljs from 'highlight.js/lib/common';
import { Marked } from 'marked';
import { root } from './run.mjs';

const recipes = readdirSync(join(root, 'docs/recipes')).map((name) => name.replace('.md', ''));

/** Where each paper is on the site. */
const papers = {
  'README.md': 'docs/readme.html',
  'docs/migrating.md': 'docs/migrating.html',
  'docs/parity.md': 'docs/parity.html',
  'docs/postgres.md': 'docs/postgres.html',
  'docs/writing-a-backend.md': 'docs/writing-a-backend.html',
  'BENCHMARKS.md': 'docs/benchmarks.html',
  'SOAK.md': 'docs/soak.html',
  'SECURITY.md': 'docs/security.html',
  'CHANGELOG.md': 'docs/changelog.html',
  'ARCHITECTURE.md': 'docs/architecture.html',
  'CONTRIBUTING.md': 'docs/contributing.html',
  'RELEASING.md': 'docs/releasing.html',
  ...Object.fromEntries(recipes.map((name) => [`docs/recipes/${name}.md`, `recipes/${name}.html`])),
};

/** The names of all pages that are made of papers. */
export const paperPages = Object.values(papers);

const navigation = [
  ['guide.html', 'Guide'],
  ['index.html', 'Demo'],
  ['docs/migrating.html', 'Migrating'],
  ['api/js/index.html', 'JavaScript API'],
  ['api/rust/crosslock/index.html', 'Rust API'],
];

/** A page that is made of a paper, or undefined if there is none of this name. */
export function paperPage(name) {
  const [paper] = Object.entries(papers).find(([, page]) => page === name) ?? [];
  if (!paper) return undefined;
  const up = '../'.repeat(name.split('/').length - 1) || './';
  const text = readFileSync(join(root, paper), 'utf8');
  const title = /^# (.+)$/m.exec(text)?.[1].replaceAll('`', '') ?? basename(paper);
  const styles = ['base', 'page', 'code', 'paper'].map((style) => `<link rel="stylesheet" href="${up}style/${style}.css" />`);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escaped(title)} · crosslock</title>
    <link rel="icon" href="data:," />
    ${styles.join('\n    ')}
  </head>
  <body class="paper">
    <a class="skip" href="#main">Skip to the text</a>
    ${header(up)}
    <main id="main" tabindex="-1">
      <article>
${render(text, paper)}
      </article>
    </main>
    ${footer()}
  </body>
</html>
`;
}

/** Puts into the guide what it shows of the papers. */
export function showPapers(page) {
  return page
    .replace('<!-- navigation -->', () => header('./'))
    .replace('<!-- footer -->', footer)
    .replaceAll(/<!-- example (\w+) -->/g, (_, language) => code(readmeExample(language), language))
    .replace('<!-- figures -->', figures)
    .replace('<!-- cards -->', cards);
}

const header = (up) => `<header class="top">
      <p class="brand"><a href="${up}guide.html">crosslock</a></p>
      <nav aria-label="Pages">${navigation.map(([page, name]) => `<a href="${up}${page}">${name}</a>`).join(' ')}</nav>
    </header>`;

const footer = () => `<footer><p>crosslock is MIT or Apache 2.0, as you like. <a href="#main">To the top</a></p></footer>`;

/** The first example of the README in a language. */
function readmeExample(language) {
  const [, example] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  if (!example) throw new Error(`the README has no example in ${language}`);
  return example;
}

/** Rows of BENCHMARKS.md that a newcomer asks about, each below what says on which machine and when. */
function figures() {
  const text = readFileSync(join(root, 'BENCHMARKS.md'), 'utf8');
  const of = (title, machine, rows) => {
    const [, section] = new RegExp(`^## ${title}\\n(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(text) ?? [];
    const said = machine.exec(section ?? '')?.[0].replaceAll('\n', ' ');
    if (!said) throw new Error(`BENCHMARKS.md does not say under "${title}" where and when it was measured`);
    const found = rows.map((row) => {
      const line = section.split('\n').find((line) => line.startsWith(`| ${row}`));
      if (!line) throw new Error(`BENCHMARKS.md has no row "${row}" under "${title}"`);
      const cells = line.split('|').slice(1, -1);
      return `| ${cells[0].trim()} | ${cells[1].trim()} | ${cells.at(-1).trim()} |`;
    });
    return `### ${title}\n\n${said}\n\n| what, against | aim | measured |\n| --- | --- | --- |\n${found.join('\n')}\n`;
  };
  return render(
    [
      of('Native', /A machine with two virtual[\s\S]*?2026\./, [
        '`try_lock` and drop, unboxed, hot key',
        'hand-off at 100, 10,000',
        'left of 100,000 keys',
      ]),
      of('JavaScript', /All of it is from two runs[\s\S]*?2026\./, [
        'from release in one tab to grant in another',
        '10,000 tasks of one tab',
        '`MemoryLockManager`, uncontended, against async-mutex',
        'what a page loads, brotli',
      ]),
    ].join('\n'),
    'www/guide.html',
  );
}

function cards() {
  const first = (paper) => readFileSync(join(root, paper), 'utf8').split('\n\n')[1].replaceAll('\n', ' ');
  const card = (page, title, text) => `<li><h3><a href="./${page}">${escaped(title)}</a></h3><p>${text}</p></li>`;
  const inline = (text) => marked('www/guide.html').parseInline(text);
  return [
    ...recipes.map((name) => {
      const paper = `docs/recipes/${name}.md`;
      const title = /^# (.+)$/m.exec(readFileSync(join(root, paper), 'utf8'))[1];
      return card(`recipes/${name}.html`, title, inline(first(paper)));
    }),
    card(
      'docs/migrating.html',
      'Coming from other locks',
      'What to change, and what changes in meaning: from async-mutex, proper-lockfile, tokio’s Mutex and others.',
    ),
    card('docs/writing-a-backend.html', 'A backend of your own', 'One method is enough, and a suite shows whether it keeps the contract.'),
    card('docs/parity.html', 'Rust beside TypeScript', 'The names of one contract in two languages.'),
    card('api/js/index.html', 'JavaScript API', 'Every class and option of the npm package.'),
    card(
      'api/rust/crosslock/index.html',
      'Rust API',
      'Every trait and type of the crate; <a href="./api/rust-web/crosslock/index.html">for the web</a> with Web Locks.',
    ),
  ].join('\n          ');
}

function render(text, paper) {
  return marked(paper).parse(text);
}

/** Makes HTML of a paper's Markdown. */
function marked(paper) {
  const slugs = new Map();
  const page = papers[paper] ?? paper.replace(/^www\//, '');
  return new Marked({
    renderer: {
      heading({ tokens, depth, text }) {
        const slug = slugOf(text);
        const times = slugs.get(slug) ?? 0;
        slugs.set(slug, times + 1);
        return `<h${depth} id="${times ? `${slug}-${times}` : slug}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        const target = targetOf(href, paper, page);
        return target ? `<a href="${escaped(target)}">${inner}</a>` : inner;
      },
      image({ href, text }) {
        const target = posix.relative(dirname(page), posix.join(dirname(paper), href).replace(/^www\//, ''));
        return `<img src="${escaped(target)}" alt="${escaped(text)}" loading="lazy" />`;
      },
      code({ text, lang }) {
        return code(text, lang?.split(',')[0] ?? '');
      },
      table(token) {
        const cell = (cell, tag) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`;
        // A table whose corner is empty names its rows in the first column.
        const head = token.header.map((one) =>
          one.text === '' ? '<td></td>' : cell(one, 'th scope="col"').replace('</th scope="col">', '</th>'),
        );
        const rows = token.rows.map((row) => `<tr>${row.map((one) => cell(one, 'td')).join('')}</tr>`);
        // It scrolls where it is narrow, so the keyboard must be able to go there.
        return `<div class="wide" tabindex="0" role="group" aria-label="Table"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>\n`;
      },
    },
  });
}

/** Where a link of a paper leads on the site. Undefined for a file that is not on it: the repository has no address yet. */
function targetOf(href, paper, page) {
  // Some of the pages are in the crate's documentation as well, where a path of Rust is a link.
  if (/::|^\w+$/.test(href)) return undefined;
  if (/^[a-z]+:/.test(href)) return href;
  const [path, hash] = href.split('#');
  const fragment = hash ? `#${hash}` : '';
  if (!path) return fragment;
  const file = posix.join(dirname(paper), path);
  const to = file === 'www' ? 'index.html' : papers[file];
  if (!to && !existsSync(join(root, file))) throw new Error(`${paper} links to ${href}, which is not there`);
  return to && `${posix.relative(dirname(page), to)}${fragment}`;
}

/** As forges make the anchors of headings, which the papers link to. */
const slugOf = (text) =>
  text
    .replace(/[`*]|\[|\]\([^)]*\)/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

function code(text, language) {
  const known = hljs.getLanguage(language) ? language : 'plaintext';
  const { value } = hljs.highlight(text.trimEnd(), { language: known });
  return `<pre tabindex="0" role="group" aria-label="Code"><code>${value}</code></pre>\n`;
}

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
