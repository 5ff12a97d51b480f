// The types of the package as it is packed, in a project that has it installed.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import ts from 'typescript-5';
import { bin, root } from '../../tools/run.mjs';
import { compilers, examples, install, readmeExamples, run } from './support.mjs';

const entries = ['crosslock', 'crosslock/wasm-url'];

describe('types', { timeout: 300_000 }, () => {
  const { tarball, project, installed } = install();

  test('publint has nothing to say', () => {
    run(bin('publint'), ['run', tarball, '--strict']);
  });

  test('attw finds nothing wrong', () => {
    // `require` gets the ES modules, as every Node that we support can; attw takes that for an error.
    // The wasm is a file to serve, not a module to import.
    run(bin('attw'), [tarball, '--profile', 'esm-only', '--exclude-entrypoints', 'wasm', '--no-definitely-typed']);
  });

  const consumer = readFileSync(join(root, 'tests/types/consumer.ts'), 'utf8');
  const sources = (extension) => {
    const written = [];
    const write = (name, text) => writeFileSync(join(project, name), text) ?? written.push(name);
    for (const [i, entry] of entries.entries()) {
      write(`consumer-${i}.${extension}`, consumer.replace("'crosslock'", `'${entry}'`));
    }
    // They await at the top, which a CommonJS module cannot.
    const awaiting = extension === 'cts' ? [] : readmeExamples();
    for (const [i, example] of awaiting.entries()) write(`readme-${i}.${extension}`, example);
    return written;
  };
  const browser = { lib: ['ES2022', 'DOM'], types: [] };
  const node = { lib: ['ES2022'], types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
  const consumers = {
    'a bundler': { files: sources('ts'), module: 'esnext', moduleResolution: 'bundler', ...browser },
    'Node, as an ES module': { files: sources('mts'), module: 'nodenext', moduleResolution: 'nodenext', ...node },
    'Node, by require': { files: sources('cts'), module: 'nodenext', moduleResolution: 'nodenext', ...node },
  };
  for (const [compiler, tsc] of Object.entries(compilers)) {
    for (const [where, { files, ...platform }] of Object.entries(consumers)) {
      for (const skipLibCheck of compiler === 'TypeScript 7' ? [false, true] : [false]) {
        test(`${compiler}, strict, for ${where}, ${skipLibCheck ? 'without' : 'with'} a check of all declarations`, () => {
          const compilerOptions = {
            target: 'es2022',
            strict: true,
            exactOptionalPropertyTypes: true,
            noEmit: true,
            skipLibCheck,
            ...platform,
          };
          writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
          run(tsc, ['--project', '.'], { cwd: project });
        });
      }
    }
  }

  test('what the page on migration shows compiles, before and after', () => {
    const files = examples('docs/migrating.md').map((example, i) => {
      writeFileSync(join(project, `migrating-${i}.ts`), example);
      return `migrating-${i}.ts`;
    });
    assert.ok(files.length >= 6);
    // What the page comes from is installed here, not in the project.
    const paths = Object.fromEntries(
      ['async-mutex', '@types/proper-lockfile'].map((name) => [name.replace('@types/', ''), [join(root, 'node_modules', name)]]),
    );
    const options = {
      target: 'es2022',
      strict: true,
      noEmit: true,
      moduleDetection: 'force',
      module: 'esnext',
      moduleResolution: 'bundler',
      paths,
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...options, ...browser }, files }));
    run(compilers['TypeScript 7'], ['--project', '.'], { cwd: project });
  });

  test('what is declared is exported, and nothing else', async () => {
    for (const entry of ['index', 'node', 'wasm-url']) {
      const { checker, exported } = declarationsOf(entry);
      const values = exported.filter((symbol) => resolved(checker, symbol).flags & ts.SymbolFlags.Value);
      const module = await import(pathToFileURL(join(installed, `${entry}.js`)).href);
      assert.deepEqual(values.map(({ name }) => name).sort(), Object.keys(module).sort());
    }
  });

  test('an editor shows a comment on everything', () => {
    const { checker, exported } = declarationsOf('node');
    const bare = [];
    const look = (symbol, name) => {
      const comment = symbol.getDocumentationComment(checker);
      if (ts.displayPartsToString(comment).trim() === '') bare.push(name);
    };
    for (const symbol of exported.map((symbol) => resolved(checker, symbol))) {
      look(symbol, symbol.name);
      if (!(symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface))) continue;
      for (const member of checker.getDeclaredTypeOfSymbol(symbol).getProperties()) {
        // Not what is inherited from others, such as `Array`, nor private names.
        const [declaration] = member.declarations;
        if (!declaration.getSourceFile().fileName.startsWith(installed) || declaration.name.kind === ts.SyntaxKind.PrivateIdentifier)
          continue;
        look(member, `${symbol.name}.${member.name}`);
      }
    }
    assert.deepEqual(bare, []);
    assert.ok(exported.length > 10);
  });

  test('nothing internal is declared', () => {
    const folders = ['.', 'node'];
    const declarations = folders.flatMap((folder) =>
      readdirSync(join(installed, folder))
        .filter((name) => name.endsWith('.d.ts'))
        .map((name) => join(folder, name)),
    );
    const texts = declarations.map((name) => [name, readFileSync(join(installed, name), 'utf8')]);
    for (const [name, text] of texts) assert.doesNotMatch(text, /@internal|'#/, name);
    // Nor is a file there that no other refers to.
    const names = (folder, text) => [...text.matchAll(/'(\.\.?\/[\w/-]+)\.js'/g)].map(([, name]) => join(folder, `${name}.d.ts`));
    const used = new Set(texts.flatMap(([name, text]) => names(dirname(name), text)));
    for (const name of used) assert.ok(existsSync(join(installed, name)), name);
    assert.deepEqual(declarations.filter((name) => !used.has(name)).sort(), ['node.d.ts', 'wasm-url.d.ts']);
  });

  function declarationsOf(entry) {
    const file = join(installed, `${entry}.d.ts`);
    const program = ts.createProgram([file], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    });
    const checker = program.getTypeChecker();
    return { checker, exported: checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file))) };
  }
});

/** What an `export { … } from` stands for. */
const resolved = (checker, symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
