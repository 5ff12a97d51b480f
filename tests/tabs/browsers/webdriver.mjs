// Firefox and WebKit for the tests, by selenium-webdriver; and Chromium where tabs are hidden, as those of
// Playwright all believe that they are seen. A tab has the methods of Playwright's pages that the tests of
// every engine use.
//
// WebDriver runs one command at a time, and its scripts run beside the page's own in Firefox. So it only
// opens tabs and adds script elements to them. What these run comes from the tests' server, and what
// becomes of it is told to that server: any number of tabs can be waited for.

import { By, Capabilities, WebDriver } from 'selenium-webdriver';
import { Executor, HttpClient } from 'selenium-webdriver/http/index.js';
import { findFreePort } from 'selenium-webdriver/net/portprober.js';
import { DriverService } from 'selenium-webdriver/remote/index.js';
import { args, chromedriver, executablePath } from '../../../tools/chromium.mjs';
import { firefoxCapabilities, locateGeckodriver } from '../../../tools/firefox.mjs';
import { locateWebkit, webkitCapabilities } from '../../../tools/webkit.mjs';
import { Messages, watchForErrors } from './messages.mjs';

export async function launch({ engine, port, errors, insecureHost }) {
  const { program, capabilities, proxy } = engines[engine];
  const viaProxy = proxy(`127.0.0.1:${port}`, ['localhost', '127.0.0.1']);
  const { driver, stop } = await startDriver(program(), { ...capabilities(), ...viaProxy.capabilities }, viaProxy.env);
  const messages = new Messages(errors);
  const home = await driver.getWindowHandle(); // the session ends with its last window
  const commands = new Queue();
  const tabs = new Set();

  return {
    /** In a window of its own if it is to be hidden, or all tabs beside it would be. */
    async open({ inWindow = false } = {}) {
      const handle = await commands.run(async () => {
        await driver.switchTo().window(home); // the last one may have been closed
        await driver.switchTo().newWindow(inWindow || !engines[engine].showsTabs ? 'window' : 'tab');
        return driver.getWindowHandle();
      });
      const tab = new Tab({ driver, commands, messages, handle });
      tabs.add(tab);
      return tab;
    },
    frameIn: (tab) => tab.frame(),
    async closeTabs() {
      for (const tab of tabs) tab.giveUp();
      tabs.clear();
      // Some may have closed themselves, or opened others.
      await commands.run(async () => {
        for (const handle of await driver.getAllWindowHandles()) {
          if (handle === home) continue;
          await driver.switchTo().window(handle);
          await driver.close();
        }
        await driver.switchTo().window(home);
      });
    },
    close: () => commands.run(stop),
    serve: (request, response) => messages.serve(request, response),
  };
}

const engines = {
  chromium: { program: () => chromedriver, capabilities: chromiumCapabilities, proxy: byCapability, showsTabs: true },
  firefox: { program: locateGeckodriver, capabilities: firefoxCapabilities, proxy: byCapability, showsTabs: true },
  // Its driver puts a new tab behind the others, and never brings one to the front.
  webkit: { program: () => locateWebkit().webkitDriver, capabilities: webkitCapabilities, proxy: byEnvironment, showsTabs: false },
};

/** How a browser is told to ask a proxy for every host but these. So another host can be the tests' server, too. */
function byCapability(httpProxy, noProxy) {
  return { capabilities: { proxy: { proxyType: 'manual', httpProxy, noProxy } } };
}

/** For WebKitGTK: of ten sessions that ask for a proxy one crashes as it starts, and its driver never answers. */
function byEnvironment(httpProxy, noProxy) {
  return { env: { http_proxy: `http://${httpProxy}`, no_proxy: noProxy.join(',') } };
}

/** Its driver asks it not to throttle what is hidden, which is what the tests of hidden tabs are about. */
function chromiumCapabilities() {
  const excludeSwitches = [
    'disable-background-timer-throttling',
    'disable-backgrounding-occluded-windows',
    'disable-renderer-backgrounding',
  ];
  return { browserName: 'chrome', 'goog:chromeOptions': { binary: executablePath, args: [...args, '--headless'], excludeSwitches } };
}

async function startDriver(program, capabilities, env) {
  if (!program) throw new Error('there is no driver for the browser: run the tests by `npm test -- --only tabs,engines`');
  const port = await findFreePort();
  const service = new DriverService(program, {
    loopback: true,
    port,
    args: [`--port=${port}`],
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  try {
    const client = new HttpClient(await service.start());
    const driver = WebDriver.createSession(new Executor(client), new Capabilities(capabilities));
    await bounded(driver.getSession(), 60_000, 'the start of the browser');
    const stop = async () => {
      try {
        await bounded(driver.quit(), 60_000, 'the end of the browser');
      } finally {
        await service.kill();
      }
    };
    return { driver, stop };
  } catch (error) {
    await service.kill();
    throw error;
  }
}

/** The promise, or an error if it is not settled in time: a browser or a driver may have crashed. */
async function bounded(promise, milliseconds, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One command after the other: each is about the tab that the one before it switched to. */
class Queue {
  #last = Promise.resolve();

  run(command) {
    const result = this.#last.then(() => bounded(command(), 30_000, 'a command to the browser'));
    this.#last = result.catch(() => {});
    return result;
  }
}

class Tab {
  #driver;
  #commands;
  #messages;
  #handle;
  /** What the present page is asked for: it is not answered when the page goes. */
  #asked = new Set();
  #url;

  constructor({ driver, commands, messages, handle }) {
    this.#driver = driver;
    this.#commands = commands;
    this.#messages = messages;
    this.#handle = handle;
  }

  url() {
    return this.#url;
  }

  /** Shows the tab, and resolves when its page has loaded. */
  async goto(url) {
    await this.#leave(() => this.#driver.get(url));
    this.#url = url;
    if (url.startsWith('http')) await this.evaluate(watchForErrors);
  }

  async reload() {
    await this.#leave(() => this.#driver.navigate().refresh());
    await this.evaluate(watchForErrors);
  }

  /** Resolves when the browser has gone back, to a page of its cache or to one that it loads again. */
  async goBack() {
    await this.#leave(() => this.#driver.navigate().back());
  }

  async close() {
    await this.#leave(() => this.#driver.close());
  }

  /** Calls the function in the page, with a copy of the argument, and resolves to a copy of its result. */
  evaluate(callback, argument) {
    return this.#evaluate(callback, argument, async () => {});
  }

  /** Resolves when the function returns something true in the page. */
  async waitForFunction(callback, argument) {
    const untilTrue = `async (argument) => {
      while (!(await (${callback})(argument))) await new Promise((resolve) => setTimeout(resolve, 20));
    }`;
    await this.evaluate(untilTrue, argument);
  }

  /** Resolves when the page has such an element: CSS, with `:has-text("…")` at its end as in Playwright. */
  async waitForSelector(selector, { state = 'visible' } = {}) {
    const [, css, text] = selector.match(/^(.+?)(?::has-text\((".*")\))?$/);
    await this.waitForFunction(
      ({ css, text, visible }) =>
        [...document.querySelectorAll(css)].some(
          (element) => element.textContent.includes(text) && (!visible || element.checkVisibility()),
        ),
      { css, text: text ? JSON.parse(text) : '', visible: state === 'visible' },
    );
  }

  $$eval(css, callback) {
    return this.evaluate(`(css) => (${callback})([...document.querySelectorAll(css)])`, css);
  }

  async $eval(css, callback) {
    await this.waitForSelector(css, { state: 'attached' });
    return this.evaluate(`(css) => (${callback})(document.querySelector(css))`, css);
  }

  getAttribute(css, name) {
    return this.$eval(css, `(element) => element.getAttribute(${JSON.stringify(name)})`);
  }

  textContent(css) {
    return this.$eval(css, (element) => element.textContent);
  }

  isDisabled(css) {
    return this.$eval(css, (element) => element.disabled);
  }

  click(css) {
    return this.#use(css, (element) => element.click());
  }

  fill(css, text) {
    return this.#use(css, async (element) => {
      await element.clear();
      await element.sendKeys(text);
    });
  }

  selectOption(css, value) {
    return this.#use(css, async (element) => {
      const options = await element.findElements(By.css('option'));
      for (const option of options) if ((await option.getText()) === value) await option.click();
    });
  }

  /** Not by the mouse: what is to be seen of a checkbox may be something else. */
  setChecked(css, checked) {
    return this.$eval(css, `(element) => void (element.checked !== ${checked} && element.click())`);
  }

  async #use(css, command) {
    await this.waitForSelector(`${css}:enabled`);
    await this.#run(async () => command(await this.#driver.findElement(By.css(css))));
  }

  /** Gives the page this size. */
  async setViewportSize({ width, height }) {
    const inner = await this.evaluate(() => ({ width: innerWidth, height: innerHeight }));
    await this.#run(async () => {
      const window = this.#driver.manage().window();
      const outer = await window.getRect();
      await window.setRect({ ...outer, width: outer.width + width - inner.width, height: outer.height + height - inner.height });
    });
    await this.waitForFunction((width) => innerWidth === width, width);
  }

  /** What is to be seen of the page, as a PNG. */
  async screenshot() {
    return Buffer.from(await this.#run(() => this.#driver.takeScreenshot()), 'base64');
  }

  /** The frame of the page, if it has one. */
  frame() {
    const enter = () => this.#driver.switchTo().frame(0);
    return { evaluate: (callback, argument) => this.#evaluate(callback, argument, enter) };
  }

  async bringToFront() {
    await this.#run(async () => {});
  }

  /** Minimises the window of the tab. Commands do not bring it back. */
  async hide() {
    await this.#run(() => this.#driver.manage().window().minimize());
    await this.waitForFunction(() => document.visibilityState === 'hidden');
  }

  #run(command) {
    return this.#commands.run(async () => {
      await this.#driver.switchTo().window(this.#handle);
      return command();
    });
  }

  async #leave(command) {
    await this.#run(command);
    this.giveUp();
  }

  /** Waits no longer for what the page was asked for. */
  giveUp() {
    for (const giveUp of this.#asked) giveUp(new Error('the page has gone'));
    this.#asked.clear();
  }

  #evaluate(callback, argument, enter) {
    const { url, answer, giveUp } = this.#messages.ask(callback, argument);
    this.#asked.add(giveUp);
    this.#run(async () => {
      await enter();
      await this.#driver.executeScript(addScript, url);
    }).catch(giveUp);
    return answer.finally(() => this.#asked.delete(giveUp));
  }
}

/** In a page: adds a script, which runs in the order in which it was added. */
function addScript(src) {
  const script = Object.assign(document.createElement('script'), { src, async: false });
  script.onload = () => script.remove();
  document.documentElement.append(script);
}
