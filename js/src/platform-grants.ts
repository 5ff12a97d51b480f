// What there is with the platform for each grant that it was asked for, from the call of
// `navigator.locks.request()` until it is over. Nothing is decided here: what the platform says goes to
// the rules, with the numbers of the grant that it is about.

import type { Client } from './client.js';
import { text } from './describe.js';
import { isNode, nameAndMessage, platformLocks, read, whyFailed } from './host.js';
import { done, NativePromise } from './native-promise.js';
import { NodeWaits } from './node-waits.js';
import { watchPage } from './page.js';

/** What was asked of the platform. */
interface Asked {
  serial: number;
  /** Whether it queues, and so can be withdrawn: by its controller, where it has one. */
  isQueued: boolean;
  controller: AbortController | undefined;
  isAnswered: boolean;
  /** Resolves the promise on which the platform holds the lock. */
  free: (() => void) | undefined;
}

/** @internal */
export class PlatformGrants {
  readonly #client: Client;
  readonly #asked: (Asked | undefined)[] = [];
  /** Controllers of requests that are over, for the next: to make one costs as much as all the rest. */
  readonly #controllers: AbortController[] = [];
  readonly #waits: NodeWaits | undefined = isNode() ? new NodeWaits() : undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  ask(grant: number, serial: number, name: string, flags: number): void {
    const asked: Asked = { serial, isQueued: false, controller: undefined, isAnswered: true, free: undefined };
    this.#asked[grant] = asked;
    try {
      watchPage(this.#client);
      const locks = platformLocks();
      const options: LockOptions = { mode: flags & 1 ? 'shared' : 'exclusive' };
      // Without a signal, which the specification allows with neither of these two.
      if (flags & 2) options.ifAvailable = true;
      else if (flags & 4) options.steal = true;
      else {
        // Node keeps a request whose signal was aborted in its queue until its turn comes (24 to 26), and
        // takes twice as long for one that has a signal: without one, it does no more and no less.
        if (!this.#waits) {
          asked.controller = this.#controllers.pop() ?? new AbortController();
          options.signal = asked.controller.signal;
        }
        asked.isQueued = true;
        asked.isAnswered = false;
        this.#waits?.begin();
      }
      const call = 'navigator.locks.request()';
      const sent = anObject(
        call,
        locks.request(name, options, (lock) => this.#calledBack(grant, asked, lock)),
      );
      const settled = () => {
        if (asked.controller && this.#controllers.length < KEPT) this.#controllers.push(asked.controller);
        this.#settled(grant, asked, 0);
      };
      const rejected = (thrown: unknown) => {
        const isAborted = nameAndMessage(thrown).name === 'AbortError';
        this.#settled(grant, asked, isAborted ? 1 : 2, isAborted ? '' : whyFailed(thrown));
      };
      try {
        // With both, a rejection is never reported as unhandled.
        (sent as Promise<unknown>).then(settled, rejected);
      } catch (thrown) {
        throw `${call} returned no promise (${text(thrown)})`;
      }
    } catch (thrown) {
      // What was requested before it failed is not wanted any more.
      this.end(grant, serial, true);
      this.#client.settled(grant, serial, 2, typeof thrown === 'string' ? thrown : whyFailed(thrown));
    }
  }

  /** It must not throw: Node never frees a lock whose callback did. */
  #calledBack(grant: number, asked: Asked, lock: unknown): Promise<void> | undefined {
    this.#answered(asked);
    let held: Promise<void> | undefined;
    // `undefined` is nothing that a browser calls back with, and no lock.
    if (this.#client.calledBack(grant, asked.serial, lock !== null && lock !== undefined)) {
      held = read(() => new NativePromise((resolve) => (asked.free = resolve)));
      if (!held) this.#client.settled(grant, asked.serial, 2, 'the promise to hold the lock on could not be made');
    }
    // Now that what holds it is in its place: somebody might release it at once.
    this.#client.run();
    return held;
  }

  #settled(grant: number, asked: Asked, how: 0 | 1 | 2, said?: string): void {
    this.end(grant, asked.serial, false);
    this.#client.settled(grant, asked.serial, how, said);
    this.#client.run();
  }

  #answered(asked: Asked): void {
    if (!asked.isAnswered) this.#waits?.end();
    asked.isAnswered = true;
  }

  /** Withdraws the request, or frees the lock; or there is nothing to free any more. */
  end(grant: number, serial: number, isToBeFreed: boolean): void {
    const asked = this.#asked[grant];
    if (asked?.serial !== serial) return;
    this.#asked[grant] = undefined;
    this.#answered(asked);
    if (!isToBeFreed) return;
    const { free, controller } = asked;
    if (free) return free();
    if (!asked.isQueued) return;
    asked.controller = undefined;
    // If that fails it will be granted some day, and freed as nobody wants it.
    if (controller) read(() => controller.abort());
    else void done.then(() => this.#settled(grant, asked, 1));
  }

  /** Goes to the lock manager and back, so many times, and tells the rules. */
  async confirm(grant: number, serial: number, times: number): Promise<void> {
    while (times--) await roundTrip();
    this.#client.confirmed(grant, serial);
  }
}

/** More controllers are not kept. */
const KEPT = 16;

/** @internal @throws what it is, if `call` returned no object, as text. */
export function anObject(call: string, returned: unknown): object {
  if (typeof returned === 'object' && returned !== null) return returned;
  throw `${call} returned ${text(returned)}, and no promise`;
}

/**
 * To the platform's lock manager and back. Messages of one context to and from it keep their order. So
 * when the answer is here, everything that it sent before has come through, and what we sent has reached
 * it.
 *
 * @internal
 */
export async function roundTrip(): Promise<void> {
  try {
    // Outside the names that locks of ours can have.
    await platformLocks().request('crosslock:round-trip', { mode: 'shared', ifAvailable: true }, () => {});
  } catch {
    // It went there and came back, or there is nothing to go to.
  }
}
