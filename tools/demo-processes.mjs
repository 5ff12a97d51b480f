// npm start -- --with-node: a Node process and a native one on a datadir of their own, which the page starts, ends and kills.
// They cannot share locks with tabs: nothing in a browser reaches them. They exclude each other. And a native program whose
// locks have spans (`examples/traces.rs`), which the page shows.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './run.mjs';
import { rust } from './setup.mjs';

const titles = { node: 'Node, by the npm package', native: 'Rust, by the crate', spans: 'Two tasks that deadlock, by the crate' };

/** What the page has to send, so that no other site can: browsers ask a server first before they send it elsewhere. */
const HEADER = 'x-crosslock-demo';

/** Builds what is needed. */
export async function startProcesses() {
  await rust();
  await run('cargo', ['build', '--quiet', '--example', 'wallet', '--example', 'traces', '--features', 'tracing']);
  return new Processes();
}

class Processes {
  section = processesSection;
  #datadir = mkdtempSync(join(tmpdir(), 'crosslock-demo-'));
  #children = {};
  #states = { node: 'stopped', native: 'stopped', spans: 'stopped' };
  #listeners = new Set();
  #told = [];

  /** Answers what is for it. Returns whether it was. */
  serve(request, response) {
    if (request.url === '/processes/events') return this.#listen(request, response);
    const [, name, action] = /^\/processes\/(node|native|spans)\/(start|end|kill)$/.exec(request.url) ?? [];
    if (!name) return false;
    if (request.method !== 'POST' || request.headers[HEADER] === undefined) response.writeHead(403).end();
    else {
      this[`_${action}`](name);
      response.writeHead(204).end();
    }
    return true;
  }

  /** Ends all of it. */
  close() {
    for (const child of Object.values(this.#children)) child.kill('SIGKILL');
    for (const listener of this.#listeners) listener.end();
    rmSync(this.#datadir, { recursive: true, force: true });
  }

  #listen(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    // The page that comes later is told what was before.
    for (const event of this.#told) response.write(event);
    this.#listeners.add(response);
    request.on('close', () => this.#listeners.delete(response));
    return true;
  }

  #tell(name, line) {
    const event = `data: ${JSON.stringify({ name, line, state: this.#states[name], at: Date.now() })}\n\n`;
    this.#told = [...this.#told.slice(-99), event];
    for (const listener of this.#listeners) listener.write(event);
  }

  _start(name) {
    if (this.#children[name]) return;
    const example = (name) => join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/examples', name);
    const [program, ...args] = {
      node: [process.execPath, join(root, 'tools/demo-node.mjs'), this.#datadir],
      native: [example('wallet'), this.#datadir],
      spans: [example('traces')],
    }[name];
    const child = spawn(program, args, { stdio: 'pipe' });
    this.#children[name] = child;
    this.#states[name] = 'starting';
    this.#tell(name, `started, PID ${child.pid}`);
    const lines = (stream, state) =>
      stream.setEncoding('utf8').on('data', (text) => {
        for (const line of text.trim().split('\n')) {
          if (state === 'refused' || /^(ready|ours)/.test(line)) this.#states[name] = state;
          this.#tell(name, line);
        }
      });
    lines(child.stdout, 'holds');
    lines(child.stderr, 'refused');
    child.on('error', (error) => this.#tell(name, error.message));
    child.on('close', (code, signal) => {
      delete this.#children[name];
      if (this.#states[name] !== 'refused') this.#states[name] = 'stopped';
      this.#tell(name, signal ? `killed by ${signal}: the kernel frees what it had` : `ended with code ${code}`);
    });
  }

  _end(name) {
    this.#children[name]?.stdin.end();
  }

  _kill(name) {
    this.#children[name]?.kill('SIGKILL');
  }
}

const cardOf = (name, buttons) => `<div class="process" data-process="${name}">
            <h3>${titles[name]}</h3>
            <p class="state" role="status" data-state="stopped">Stopped.</p>
            <div class="buttons">
              ${Object.entries(buttons)
                .map(([action, label]) => `<button type="button" data-do="${action}">${label}</button>`)
                .join('\n              ')}
            </div>
          </div>`;

const all = { start: 'Start', end: 'End', kill: 'kill -9' };

/** What the page shows of them. */
const processesSection = `<section class="panel processes" aria-labelledby="processes-title">
        <h2 id="processes-title">Beside the tabs</h2>
        <p class="muted">
          Two processes on this machine, and one datadir. The one that comes second is refused, and told who has it. End the
          holder or kill it, and start the other one again.
        </p>
        <div class="pair">
          ${cardOf('node', all)}
          ${cardOf('native', all)}
        </div>
        <p class="muted">
          With the crate's feature <code>tracing</code>, each lock has a span: who asked, when it was granted, for how long it was
          held, how it ended. These two tasks take two locks in opposite orders, until one of them gives up.
        </p>
        <div class="pair">
          ${cardOf('spans', { start: 'Run' })}
        </div>
        <h3 id="trace-title">What they say</h3>
        <ol id="trace" class="trace" tabindex="0" aria-labelledby="trace-title"></ol>
        <script type="module" src="./processes.js"></script>
      </section>`;
