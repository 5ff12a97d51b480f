// Workarounds for two faults of Node. A thread that waits for a lock keeps no process alive. And when a worker
// thread dies while it holds a lock, the lock is freed, but a waiter that is already queued is not woken before
// somebody in the process makes another request, for any name (seen in Node 24 and 26; `query()` does not
// help). So a thread that waits makes one about once a second.

import { read } from './host.js';
import { roundTrip } from './platform-grants.js';

/** How often a thread that waits makes a request, in milliseconds. */
const INTERVAL = 1000;

/** An object that keeps a process alive. To switch that on and off takes no time. */
interface Port {
  ref?(): void;
  unref?(): void;
}

/** @internal The waits of this thread. */
export class NodeWaits {
  #count = 0;
  #port: Port | undefined;
  /** It goes on after the last wait, because to make one for every lock would take longer than the lock. */
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

  /** Uses a timer of Node's own, which test suites do not replace, and which keeps no process alive. */
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
