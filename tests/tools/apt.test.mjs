// What `npm test` and `npm start` say and ask before they install something by apt, in a terminal, in a
// script, as root and as somebody else.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { root, which } from '../../tools/run.mjs';

const QUESTION = 'Install it? [Y/n]';
const ANNOUNCED = /to be installed by apt:\s+gcc libc6-dev: the C compiler that Rust links with/;
const SUITE = ['tools/test.mjs', '--only', 'doc'];

const isHere = process.platform === 'linux' && which('script') && which('env');

describe('what is installed by apt', { skip: !isHere && 'needs `script` of util-linux', timeout: 60_000 }, () => {
  test('a script says it and goes on, by sudo', async (t) => {
    const machine = new Machine(t);
    const { output, code } = await machine.run(SUITE);
    assert.match(output, ANNOUNCED);
    assert.ok(!output.includes(QUESTION), output);
    assert.ok(output.indexOf('to be installed') < output.indexOf('--- doc'), output);
    assert.equal(machine.log(), 'sudo -n true\nsudo -n env\napt-get update\nsudo -n env\napt-get install gcc libc6-dev\ncargo doc\n');
    assert.equal(code, 0, output);
  });

  test('a terminal is asked first, and once', async (t) => {
    const machine = new Machine(t);
    const { output, code, asked } = await machine.run(SUITE, { answer: '\n' });
    assert.match(output, ANNOUNCED);
    assert.deepEqual(asked, ['']); // what had been run by then
    // sudo may ask for a password there.
    assert.equal(machine.log(), 'sudo env\napt-get update\nsudo env\napt-get install gcc libc6-dev\ncargo doc\n');
    assert.equal(code, 0, output);
  });

  for (const [how, answer] of Object.entries({ 'a no': 'n\n', 'anything but a yes': 'what?\n', 'an end of the input': '\x04' })) {
    test(`${how} installs nothing, and says what is missing`, async (t) => {
      const machine = new Machine(t);
      const { output, code } = await machine.run(SUITE, { answer });
      assert.equal(machine.log(), '');
      assert.match(
        output,
        /the C compiler that Rust links with is missing, and was not to be installed\. Install it yourself: sudo apt-get install .* gcc libc6-dev/,
      );
      assert.equal(code, 1, output);
    });
  }

  test('Ctrl-C at the question ends it all', async (t) => {
    const machine = new Machine(t);
    const { output, code } = await machine.run(SUITE, { answer: '\x03' });
    assert.equal(machine.log(), '');
    assert.ok(!output.includes('--- doc'), output);
    assert.equal(code, 130, output);
  });

  test('root is told, and not asked', async (t) => {
    const machine = new Machine(t);
    const { output, code } = await machine.run(SUITE, { user: 0, answer: '' });
    assert.match(output, ANNOUNCED);
    assert.ok(!output.includes(QUESTION), output);
    assert.equal(machine.log(), 'apt-get update\napt-get install gcc libc6-dev\ncargo doc\n');
    assert.equal(code, 0, output);
  });

  test('the machines that run scripts are not asked, even in a terminal', async (t) => {
    const machine = new Machine(t);
    const { output, code } = await machine.run(SUITE, { answer: '', env: { CI: 'true' } });
    assert.match(output, ANNOUNCED);
    assert.ok(!output.includes(QUESTION), output);
    assert.equal(code, 0, output);
  });

  test('a script does not wait for a password', async (t) => {
    const machine = new Machine(t);
    machine.program('sudo', 'exit 1');
    const { output, code } = await machine.run(SUITE);
    assert.match(output, /the C compiler that Rust links with is missing, and sudo does not let us install it without a password/);
    assert.equal(code, 1, output);
  });

  test('nobody is asked for what cannot be done', async (t) => {
    const machine = new Machine(t);
    rmSync(join(machine.folder, 'sudo'));
    const { output, code } = await machine.run(SUITE, { answer: '' });
    assert.ok(!output.includes(QUESTION), output);
    assert.match(output, /the C compiler that Rust links with is missing, and there is no sudo to install it with\. Install it yourself/);
    assert.equal(code, 1, output);
  });

  test('nothing is said where nothing is missing', async (t) => {
    const machine = new Machine(t);
    machine.program('cc', '');
    const { output, code } = await machine.run(SUITE, { answer: '' });
    assert.doesNotMatch(output, /apt/);
    assert.equal(machine.log(), 'cargo doc\n');
    assert.equal(code, 0, output);
  });

  test('all suites are asked for at once', async (t) => {
    const machine = new Machine(t);
    const { output, asked } = await machine.run(['tools/test.mjs', '--only', 'doc,tabs'], { answer: 'n\n' });
    assert.match(output, /gcc libc6-dev: the C compiler.*\s+chromium[-\w]* chromium-\w+: Chromium with its driver/);
    assert.equal(asked.length, 1);
  });
});

/** A machine with Rust, sudo and apt, and without a C compiler. These are fakes: nothing may be installed here. */
class Machine {
  constructor(t) {
    this.folder = mkdtempSync(join(tmpdir(), 'crosslock-apt-'));
    t.after(() => rmSync(this.folder, { recursive: true }));
    for (const name of ['env', 'chmod', 'true']) symlinkSync(which(name), join(this.folder, name));
    const log = (what) => `echo ${what} >> "${this.#log}"`;
    this.program('sudo', `[ "$1" = -n ] && { n=" -n"; shift; }; ${log('"sudo$n $1"')}; exec "$@"`);
    // -y and --no-install-recommends stand before the packages.
    const cc = join(this.folder, 'cc');
    const install = `shift 3; ${log('apt-get install "$@"')}; echo '#!/bin/sh' > "${cc}"; chmod +x "${cc}"`;
    this.program('apt-get', `if [ "$1" = install ]; then ${install}; else ${log('apt-get "$1"')}; fi`);
    this.program('cargo', `if [ "$1" = --version ]; then echo cargo 1.0; else ${log('cargo "$1"')}; fi`);
  }

  get #log() {
    return join(this.folder, 'log');
  }

  /** What was run. */
  log() {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8') : '';
  }

  program(name, script) {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /** Runs a tool: in a terminal, if there is an answer to what it may ask. */
  async run([tool, ...args], { answer, user = 1000, env = {} } = {}) {
    // A test cannot be root and somebody else.
    const asUser = `data:text/javascript,process.getuid=()=>${user}`;
    const command = [process.execPath, '--import', asUser, tool, ...args];
    const [program, ...rest] = answer === undefined ? command : inTerminal(command);
    const variables = { PATH: this.folder, HOME: this.folder, TERM: 'dumb', ...env };
    const child = spawn(program, rest, { cwd: root, env: variables, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    const asked = [];
    const hear = (text) => {
      output += text;
      if (output.split(QUESTION).length - 1 <= asked.length) return;
      asked.push(this.log());
      // A question that was not expected must not wait for ever.
      child.stdin.write(answer || '\x03');
    };
    child.stdout.setEncoding('utf8').on('data', hear);
    child.stderr.setEncoding('utf8').on('data', hear);
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    return { output, code, asked };
  }
}

/** `script` gives a command a terminal, and passes on what is written to its own input. */
function inTerminal(command) {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return [which('script'), '--quiet', '--return', '--flush', '--command', quoted, '/dev/null'];
}
