// The card of a tab: what it waits for or holds, and its buttons.

import { LockError, type LockGuard } from 'crosslock';
import { attempt, block, hold, steal, wait, type Work } from './actions.js';
import { listen, now, publish, type TabRequest } from './channel.js';
import { create, elapsed } from './dom.js';
import { closeTab } from './frames.js';
import type { PublishedLocks } from './published-locks.js';
import { settings } from './settings.js';
import { withNames, type Tab } from './tabs.js';

const BLOCK = 4000;

/** The reason of a wait that ends by "Cancel". */
const CANCELLED = new DOMException('no longer waiting', 'AbortError');

/** A held lock, and what ends the hold. */
interface Held {
  guard: LockGuard;
  finish: () => void;
}

export class Controls {
  readonly #tab: Tab;
  readonly #locks: PublishedLocks;
  readonly #open = new Map<string, TabRequest>();
  readonly #held = new Set<Held>();
  readonly #waits = new Set<AbortController>();
  #said = 0;

  readonly #state = create('p', { class: 'state' });
  readonly #message = create('p', { class: 'message', role: 'status' });
  readonly #main = create('button', { type: 'button', class: 'main', 'data-action': 'hold' });

  constructor(tab: Tab, locks: PublishedLocks, place: HTMLElement) {
    this.#tab = tab;
    this.#locks = locks;
    this.#main.addEventListener('click', () => this.#toggle());
    place.replaceChildren(
      this.#state,
      create(
        'div',
        { class: 'buttons', role: 'group', 'aria-label': `What ${tab.name} does` },
        this.#main,
        this.#button('wait', 'Wait 2 s', 'Waits for the lock, but not for longer', () => this.#wait()),
        this.#button('try', 'Try', 'Takes the lock if it is free, and does not wait', () => this.#try()),
        this.#button('steal', 'Steal', 'Takes the lock away from whoever holds it', () => this.#steal()),
        this.#button('block', 'Block', `Stops the main thread for ${BLOCK / 1000} s`, () => this.#block()),
        this.#button('close', window.frameElement ? 'Kill' : 'Close', 'Ends this tab on the spot', () =>
          this.#close(),
        ),
      ),
      this.#message,
    );
    listen('request', (request) => {
      if (request.tab !== tab.id) return;
      if (request.ended === undefined) this.#open.set(request.id, request);
      else this.#open.delete(request.id);
      this.#show();
    });
    this.#show();
    setInterval(() => document.hidden || this.#show(), 200);
  }

  #button(action: string, text: string, explanation: string, act: () => unknown): HTMLButtonElement {
    const button = create('button', { type: 'button', 'data-action': action, title: explanation }, text);
    button.addEventListener('click', () => {
      showCode(action);
      act();
    });
    return button;
  }

  /** One button requests the lock, cancels the wait, and releases the lock. */
  #toggle(): void {
    const [held] = this.#held;
    if (held) return held.finish();
    const [waiting] = this.#waits;
    if (waiting) return waiting.abort(CANCELLED);
    showCode('hold');
    const controller = new AbortController();
    this.#waits.add(controller);
    const work: Work = (guard) => {
      this.#waits.delete(controller);
      return this.#work(guard);
    };
    const done = hold(this.#locks, settings(), controller.signal, work);
    void this.#run(done.finally(() => this.#waits.delete(controller)));
  }

  #wait(): void {
    void this.#run(wait(this.#locks, settings(), this.#work, this.#say));
  }

  #try(): void {
    void this.#run(attempt(this.#locks, settings(), this.#work, this.#say));
  }

  #steal(): void {
    void this.#run(steal(this.#locks, settings().key, this.#work));
  }

  #block(): void {
    const from = now();
    publish('block', { tab: this.#tab.id, name: this.#tab.name, from, until: from + BLOCK });
    this.#say(`blocked for ${BLOCK / 1000} s`);
    // First the message must leave this tab and be drawn.
    setTimeout(() => {
      const [held] = this.#held;
      void this.#run((async () => block(held?.guard, BLOCK))(), 'running again');
    }, 50);
  }

  #close(): void {
    closeTab();
    // A tab that the user opened may not close itself.
    this.#say('close this tab by the browser');
  }

  /** What is done while the lock is held: wait for "Release". */
  readonly #work: Work = (guard) => {
    let held: Held;
    return new Promise<void>((resolve, reject) => {
      held = { guard, finish: resolve };
      this.#held.add(held);
      const lose = () => reject(guard.lost.reason);
      guard.lost.addEventListener('abort', lose);
      if (guard.lost.aborted) lose();
      this.#show();
    }).finally(() => this.#held.delete(held));
  };

  /** Says how an action ended. */
  async #run(action: Promise<unknown>, success = ''): Promise<void> {
    this.#say('');
    try {
      await action;
      if (success) this.#say(success);
    } catch (error) {
      const { name, message } = error as Error;
      if (!(error instanceof LockError || name === 'AbortError')) throw error;
      this.#say(message, error !== CANCELLED);
    } finally {
      this.#show();
    }
  }

  readonly #say = async (what: string, bad = false): Promise<void> => {
    const turn = ++this.#said;
    const text = await withNames(what);
    if (turn !== this.#said) return;
    this.#message.textContent = text;
    this.#message.classList.toggle('bad', bad);
  };

  #show(): void {
    const requests = [...this.#open.values()];
    const shown = requests.find(({ state }) => state === 'held') ?? requests[0];
    const text = shown ? `${shown.state === 'held' ? 'Holds' : 'Waits for'} ${shown.key}` : 'Idle';
    this.#state.replaceChildren(
      text,
      create('span', {}, shown ? `, ${elapsed(now() - (shown.granted ?? shown.requested))}` : ''),
    );
    this.#state.dataset.state = shown?.state ?? 'idle';
    const main = this.#held.size > 0 ? 'Release' : this.#waits.size > 0 ? 'Cancel' : 'Hold';
    if (this.#main.textContent !== main) this.#main.textContent = main;
  }
}

/** Shows the code of an action, in this page or in the page that this frame is in. */
function showCode(action: string): void {
  parent.dispatchEvent(new CustomEvent('crosslock-code', { detail: action }));
}
