// Chromium for the tests, by playwright-core. Its pages are what the tests call tabs.

import { chromium } from 'playwright-core';
import { args, executablePath } from '../../../tools/chromium.mjs';

export async function launch({ errors, requested, insecureHost, backForwardCache = false }) {
  const browser = await chromium.launch({
    executablePath,
    args: [...args, `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`],
    ignoreDefaultArgs: backForwardCache ? ['--disable-back-forward-cache'] : [],
  });
  const context = await browser.newContext();
  context.on('request', (request) => requested.push(request.url()));
  context.on('weberror', (error) => errors.push(error.error()));
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(new Error(`console: ${message.text()}`));
  });
  return {
    open: () => context.newPage(),
    frameIn: (page) => page.frames().find((frame) => frame.parentFrame() === page.mainFrame()),
    closeTabs: () => Promise.all(context.pages().map((page) => page.close())),
    close: () => browser.close(),
    /** Nothing: Playwright has a way of its own to talk to pages. */
    serve: () => false,
  };
}
