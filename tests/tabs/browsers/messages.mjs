// How the tests call functions in pages without a protocol of the browser: a page loads a script from the
// tests' server, and posts to it what becomes of the call.

import { text } from 'node:stream/consumers';

/** Where the pages find their scripts and tell of themselves, below the root of the server. */
const SCRIPTS = '/webdriver/scripts/';
const ANSWERS = '/webdriver/answers/';

/** What the pages are asked, and what they answer. */
export class Messages {
  #scripts = new Map();
  #answers = new Map();
  #last = 0;
  #errors;

  constructor(errors) {
    this.#errors = errors;
  }

  /** The address of a script that calls the function in a page; what it answers; and how not to wait for that. */
  ask(callback, argument) {
    const id = `${++this.#last}`;
    this.#scripts.set(id, scriptOf(callback, argument, `${ANSWERS}${id}`));
    let giveUp;
    const answer = new Promise((resolve, reject) => {
      giveUp = reject;
      this.#answers.set(id, ({ value, error }) => (error === undefined ? resolve(decode(value)) : reject(new Error(error))));
    });
    return { url: `${SCRIPTS}${id}`, answer, giveUp };
  }

  serve(request, response) {
    const served = this.#serve(request, response);
    if (!served) return false;
    served.catch((error) => this.#errors.push(error));
    return true;
  }

  #serve(request, response) {
    const { url } = request;
    if (url.startsWith(SCRIPTS)) return this.#script(url.slice(SCRIPTS.length), response);
    if (url.startsWith(ANSWERS)) return this.#answer(url.slice(ANSWERS.length), request, response);
    return undefined;
  }

  async #script(id, response) {
    response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8', 'Cache-Control': 'no-store' });
    response.end(this.#scripts.get(id));
    this.#scripts.delete(id);
  }

  async #answer(id, request, response) {
    const body = await text(request);
    response.writeHead(204).end();
    if (id === 'errors') return void this.#errors.push(new Error(body));
    this.#answers.get(id)?.(JSON.parse(body));
    this.#answers.delete(id);
  }
}

const scriptOf = (callback, argument, url) => `{
  const [encode, decode] = [${encode}, ${decode}];
  // The test goes on with the answer, and may leave the page before the fetch is over.
  const tell = (answer) => fetch('${url}', { method: 'POST', body: JSON.stringify(answer) }).catch(() => {});
  (async () => (${callback})(decode(${JSON.stringify(encode(argument))})))().then(
    (value) => tell({ value: encode(value) }),
    (error) => tell({ error: error?.stack ? error + '\\n' + error.stack : String(error) }),
  );
}`;

/** JSON, and the numbers that it has not. */
function encode(value) {
  return JSON.stringify(value, (_, part) => (typeof part === 'number' && !Number.isFinite(part) ? { $number: `${part}` } : part));
}

function decode(text) {
  return text && JSON.parse(text, (_, part) => (part?.$number ? Number(part.$number) : part));
}

/** In a page: tells of what goes wrong. (What the browser itself writes into the console is not among it.) */
export const watchForErrors = `() => (${tellOfErrors})('${ANSWERS}errors')`;

function tellOfErrors(url) {
  const tell = (body) => fetch(url, { method: 'POST', body }).catch(() => {});
  const textOf = (error) => (error instanceof Error ? `${error}\n${error.stack}` : String(error));
  addEventListener('error', ({ error, message }) => tell(textOf(error ?? message)));
  addEventListener('unhandledrejection', ({ reason }) => tell(textOf(reason)));
  for (const level of ['error', 'warn']) {
    const original = console[level];
    console[level] = (...words) => {
      tell(`console: ${words.map(textOf).join(' ')}`);
      original.apply(console, words);
    };
  }
}
