// The WebKit that the browser tests drive, WebKitGTK's MiniBrowser, and how it is started.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { which } from './run.mjs';

/** Where the browser, its driver, and what they need are; undefined for what is missing. */
export const locateWebkit = () => ({
  browser: process.env.MINIBROWSER || which(...miniBrowsers()),
  webkitDriver: process.env.WEBKITDRIVER || which('WebKitWebDriver'),
  xvfb: which('xvfb-run'),
  xauth: which('xauth'), // for xvfb-run, which does without a word about what it misses
  dbus: which('dbus-run-session'),
});

/** The command on a screen and a message bus of its own: WebKitGTK cannot do without. */
export function onScreen(...command) {
  const { xvfb, dbus } = locateWebkit();
  return [xvfb, '-a', dbus, '--', ...command];
}

/** What a WebDriver session is asked for. */
export const webkitCapabilities = () => ({
  browserName: 'MiniBrowser',
  'webkitgtk:browserOptions': { binary: locateWebkit().browser, args: ['--automation'] },
});

/** It is not on PATH but beside its library, in a folder that is named after the architecture and the version. */
function miniBrowsers() {
  const below = (folder, pattern) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && pattern.test(entry.name))
      .map(({ name }) => join(folder, name));
  if (process.platform !== 'linux') return [];
  return below('/usr/lib', /-linux-gnu/)
    .flatMap((folder) => below(folder, /^webkit2?gtk-[\d.]+$/))
    .map((folder) => join(folder, 'MiniBrowser'));
}
