// The Chromium that the browser tests drive, and how it is started. The one place for its flags.

import { which } from './run.mjs';

/** Where the browser and its driver are; undefined for what is missing. */
export const locateChromium = () => ({
  executablePath: process.env.CHROME || which('chromium', 'chromium-browser', 'google-chrome'),
  chromedriver: process.env.CHROMEDRIVER || which('chromedriver', 'chromium.chromedriver'),
});

export const { executablePath, chromedriver } = locateChromium();

export const args = [
  // Chromium's sandbox refuses to run as root, which is what containers and CI usually are.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  // /dev/shm is often only 64 MB in containers.
  '--disable-dev-shm-usage',
  // Nothing but the pages under test may use the network.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];
