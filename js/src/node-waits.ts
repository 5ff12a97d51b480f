// Ways round two faults of Node. A thread that waits for a lock keeps no process alive. And when a worker
// thread dies holding a lock, the lock is freed, but a waiter that is queued already is not woken until
// someone in the process makes another request, for any name (seen in Node 24 and 26; `query()` does not
// help): so a thread that waits makes one, rarely.

import { read } from './host.js';
import { roundTrip } from './platform-grants.js';

/** How long the death of a thread may go unnoticed, in milliseconds. */
const INTERVAL = 1000;

/** What keeps a process alive, and can be told to in no time. It is of no other use. */
interface Port {
  ref?(): void;
  unref?(): void;
}

/** @internal The waits of this thread. */
export class NodeWaits {
  #count = 0;
  #port: Port | undefined;
  /** It goes on for a moment after the last wait: to make one for every lock would take longer than the lock. */
  #timer: AbortSignal | undefined;

  begin(): void {
    if (this.#count++) return;
    this.#port ??= read(() => new MessageChannel().port1 as Port) ?? {};
    read(() => this.#port?.ref?.());
    this.#time();
  }

  end(): void {
    if (!--this.#count) read(() => this.#port?.unref?.());
  }

  /** By Node's own clock, which test suites do not replace, and which keeps no process alive. */
  #time(): void {
    if (this.#timer) return;
    read(() => {
      const timer = AbortSignal.timeout(INTERVAL);
      timer.addEventListener('abort', () => {
        this.#timer = undefined;
        if (!this.#count) return;
        this.#time();
        void roundTrip();
      });
      this.#timer = timer;
    });
  }
}
