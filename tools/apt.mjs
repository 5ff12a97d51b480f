// What is installed by apt: said before, and asked for first where somebody is there to answer.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { locateChromium } from './chromium.mjs';
import { locateFirefox } from './firefox.mjs';
import { locatePostgres } from './postgres.mjs';
import { Problem, output, run, say, which } from './run.mjs';
import { locateWebkit } from './webkit.mjs';

export const MINGW = 'x86_64-w64-mingw32-gcc'; // the linker that rustc looks for

export const QEMU = 'qemu-aarch64'; // runs a program for Linux on 64-bit ARM

export const AARCH64_LINKER = 'aarch64-linux-gnu-gcc';

export const AARCH64_ROOT = '/usr/aarch64-linux-gnu'; // what is / to such a program, as far as it is there

export const MUSL = '/lib/ld-musl-x86_64.so.1'; // the loader that programs ask for, and the library itself

/** What may be needed: what it is, and those of its packages that are missing. */
const parts = {
  compiler: {
    what: 'the C compiler that Rust links with',
    // On Windows rustc finds the linker of Visual Studio by itself.
    missing: () => (which('cc') || process.platform === 'win32' ? [] : ['gcc', 'libc6-dev']),
  },
  'c++': {
    what: 'the C++ compiler, for libFuzzer',
    missing: () => (which('c++') ? [] : ['g++']),
  },
  chromium: {
    what: 'Chromium with its driver',
    missing() {
      if (!Object.values(locateChromium()).includes(undefined)) return [];
      return isUbuntu() ? ['chromium-browser', 'chromium-chromedriver'] : ['chromium', 'chromium-driver'];
    },
  },
  firefox: {
    what: 'Firefox',
    missing: () => (locateFirefox() ? [] : [isUbuntu() ? 'firefox' : 'firefox-esr']),
  },
  webkit: {
    what: 'WebKitGTK with its driver, and a screen for it',
    missing() {
      const packages = {
        browser: 'webkit2gtk-driver',
        webkitDriver: 'webkit2gtk-driver',
        xvfb: 'xvfb',
        xauth: 'xauth',
        dbus: 'dbus-x11',
      };
      const missing = Object.entries(locateWebkit()).flatMap(([what, path]) => (path ? [] : [packages[what]]));
      return [...new Set(missing)];
    },
  },
  postgres: {
    what: 'the PostgreSQL server, and a pooler for it',
    missing: () => [...(locatePostgres() ? [] : ['postgresql']), ...(which('pgbouncer', '/usr/sbin/pgbouncer') ? [] : ['pgbouncer'])],
  },
  machines: {
    what: 'virtual machines, and what is in them',
    missing: () => [
      ...(which('qemu-system-x86_64') ? [] : ['qemu-system-x86']),
      ...(existsSync('/bin/busybox') ? [] : ['busybox-static']),
      ...(which('cpio') ? [] : ['cpio']),
    ],
  },
  musl: {
    what: 'the C library musl, with which a Node for it runs',
    // On another processor there is no Node for it that we would try.
    missing: () => (process.arch !== 'x64' || process.platform !== 'linux' || existsSync(MUSL) ? [] : ['musl']),
  },
  i686: {
    what: 'the C library for 32-bit programs, which this processor runs as well',
    missing() {
      // The compiler prints the name alone of a file that it has not.
      if (process.arch !== 'x64' || output('cc', '-m32', '-print-file-name=crt1.o')?.includes('/')) return [];
      // Of that version: the package without one conflicts with compilers for other processors.
      return [`gcc-${output('cc', '-dumpversion')?.split('.')[0] ?? 12}-multilib`];
    },
  },
  aarch64: {
    what: 'a linker and the C libraries for 64-bit ARM, and an emulator of it',
    missing() {
      if (process.arch !== 'x64') return [];
      return [
        ...(which(AARCH64_LINKER) ? [] : ['gcc-aarch64-linux-gnu']),
        ...(existsSync(join(AARCH64_ROOT, 'lib/crt1.o')) ? [] : ['libc6-dev-arm64-cross']),
        ...(existsSync(join(AARCH64_ROOT, 'lib/libstdc++.so.6')) ? [] : ['libstdc++6-arm64-cross']),
        ...(which(QEMU) ? [] : ['qemu-user']),
      ];
    },
  },
  mingw: {
    what: 'the linker for Windows programs',
    missing: () => (which(MINGW) ? [] : ['gcc-mingw-w64-x86-64']),
  },
  wine: {
    what: 'Wine with the linker for Windows programs',
    missing() {
      if (process.arch !== 'x64') return []; // there is none that would do
      return [...(which('wine') && which('wineboot') ? [] : ['wine', 'wine64']), ...missing('mingw')];
    },
  },
};

/** The packages of a part that are missing. */
export const missing = (name) => parts[name].missing();

/** What was said to the question, for each part that it was about. */
const answers = new Map();

/**
 * Says what is missing of these parts, and asks whether to install it: once for all of them, so that
 * nobody comes back after half an hour to a question. Only in a terminal, and only where it takes sudo.
 */
export async function announce(names) {
  const wanted = names.filter((name) => !answers.has(name) && missing(name).length > 0);
  if (wanted.length === 0 || !which('apt-get')) return;
  say('to be installed by apt:');
  for (const name of wanted) console.log(`  ${missing(name).join(' ')}: ${parts[name].what}`);
  const takesSudo = !isRoot() && which('sudo');
  const mayInstall = !takesSudo || !isTerminal() || (await ask('That takes sudo. Install it? [Y/n] '));
  for (const name of wanted) answers.set(name, mayInstall);
}

/** Installs what is missing of a part. */
export async function apt(name) {
  const { what } = parts[name];
  const packages = missing(name);
  if (packages.length === 0) return;
  if (!which('apt-get')) {
    throw new Problem(`${what} is missing, and there is no apt-get to install it with. On Debian it would be: ${packages.join(' ')}`);
  }
  const args = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  const byHand = `Install it yourself: sudo ${args.join(' ')}`;
  await announce([name]);
  if (!answers.get(name)) throw new Problem(`${what} is missing, and was not to be installed. ${byHand}`);

  // In a terminal sudo may ask for the password; in a script it would wait for ever.
  const sudo = isRoot() ? [] : isTerminal() ? ['sudo'] : ['sudo', '-n'];
  if (sudo.length > 0 && !which('sudo')) throw new Problem(`${what} is missing, and there is no sudo to install it with. ${byHand}`);
  if (sudo.length > 1 && output(...sudo, 'true') === undefined) {
    throw new Problem(`${what} is missing, and sudo does not let us install it without a password. ${byHand}`);
  }
  const asRoot = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive'];
  // A new machine has no package lists, and an old one lists packages that are gone.
  await install('the current package lists', [...asRoot, 'apt-get', 'update', '-q'], byHand);
  await install(what, [...asRoot, ...args], byHand);
}

/** Runs a command that installs something. */
export async function install(what, command, advice = `To try by hand: ${command.join(' ')}`) {
  say(`installing ${what}`);
  try {
    const [program, ...args] = command;
    await run(program, args);
  } catch (error) {
    throw new Problem(`could not install ${what}: ${error.message}. Is the network there? ${advice}`);
  }
}

const isRoot = () => process.getuid() === 0;

/** Whether somebody is there to answer. Some of the machines that run scripts have a terminal; they set CI. */
const isTerminal = () => Boolean(process.stdin.isTTY && process.stdout.isTTY && !process.env.CI);

async function ask(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.on('SIGINT', () => process.exit(130));
  // Whoever closes the input does not say yes.
  const closed = new Promise((resolve) => terminal.on('close', () => resolve('no')));
  const answered = terminal.question(`crosslock: ${question}`).catch(() => 'no');
  const answer = await Promise.race([answered, closed]);
  terminal.close();
  return /^(y(es)?)?$/i.test(answer.trim());
}

const isUbuntu = () => existsSync('/etc/os-release') && /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
