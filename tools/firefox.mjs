// The Firefox that the browser tests drive, and how it is started. The one place for its settings.

import { which } from './run.mjs';

/** Where the browser is; undefined if it is missing. */
export const locateFirefox = () => process.env.FIREFOX || which('firefox-esr', 'firefox');

/** Where its driver is: setup.mjs says it. */
export const locateGeckodriver = () => process.env.GECKODRIVER;

/** What a WebDriver session is asked for. */
export const firefoxCapabilities = () => ({
  browserName: 'firefox',
  'moz:firefoxOptions': {
    binary: locateFirefox(),
    args: ['-headless'],
    prefs: {
      // Nothing but the pages under test may use the network.
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
    },
  },
});
