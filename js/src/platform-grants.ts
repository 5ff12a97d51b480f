// The platform's side of each grant, from the call of `navigator.locks.request()` until it is over. Nothing is
// decided here: what the platform says is reported to the rules, with the number of the grant.

import type { Client } from './client.js';
import { text } from './describe.js';
import { isNode, nameAndMessage, platformLocks, read, whyFailed } from './host.js';
import { done, NativePromise } from './native-promise.js';
import { NodeWaits } from './node-waits.js';
import { watchPage } from './page.js';

/** A request to the platform. */
interface PlatformRequest {
  serial: number;
  /** Whether it queues, and so can be withdrawn: by its controller, if it has one. */
  isQueued: boolean;
  controller: AbortController | undefined;
  isAnswered: boolean;
  /** Resolves the promise on which the platform holds the lock. */
  free: (() => void) | undefined;
}

/** @internal */
export class PlatformGrants {
  readonly #client: Client;
  readonly #requests: (PlatformRequest | undefined)[] = [];
  /** Controllers of requests that are over. They are used again, because to make one costs as much as all the rest. */
  readonly #controllers: AbortController[] = [];
  readonly #waits: NodeWaits | undefined = isNode() ? new NodeWaits() : undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  request(grant: number, serial: number, name: string, flags: number): void {
    const request: PlatformRequest = { serial, isQueued: false, controller: undefined, isAnswered: true, free: undefined };
    this.#requests[grant] = request;
    try {
      watchPage(this.#client);
      const locks = platformLocks();
      const options: LockOptions = { mode: flags & 1 ? 'shared' : 'exclusive' };
      // The specification allows a signal with neither of these two.
      if (flags & 2) options.ifAvailable = true;
      else if (flags & 4) options.steal = true;
      else {
        // In Node (24 to 26) a signal is of no use: a request whose signal was aborted stays in the queue until
        // its turn comes, and one with a signal takes twice as long.
        if (!this.#waits) {
          request.controller = this.#controllers.pop() ?? new AbortController();
          options.signal = request.controller.signal;
        }
        request.isQueued = true;
        request.isAnswered = false;
        this.#waits?.begin();
      }
      const call = 'navigator.locks.request()';
      const sent = anObject(
        call,
        locks.request(name, options, (lock) => this.#calledBack(grant, request, lock)),
      );
      const settled = () => {
        if (request.controller && this.#controllers.length < KEPT) this.#controllers.push(request.controller);
        this.#settled(grant, request, 0);
      };
      const rejected = (thrown: unknown) => {
        const isAborted = nameAndMessage(thrown).name === 'AbortError';
        this.#settled(grant, request, isAborted ? 1 : 2, isAborted ? '' : whyFailed(thrown));
      };
      try {
        // With both, a rejection is never reported as unhandled.
        (sent as Promise<unknown>).then(settled, rejected);
      } catch (thrown) {
        throw `${call} returned no promise (${text(thrown)})`;
      }
    } catch (thrown) {
      // If it was requested before it failed, it is withdrawn.
      this.end(grant, serial, true);
      this.#client.settled(grant, serial, 2, typeof thrown === 'string' ? thrown : whyFailed(thrown));
    }
  }

  /** It must not throw, because Node never frees a lock whose callback threw. */
  #calledBack(grant: number, request: PlatformRequest, lock: unknown): Promise<void> | undefined {
    this.#answered(request);
    let held: Promise<void> | undefined;
    // `undefined` is no lock. Browsers never call back with it, but a mock may.
    if (this.#client.calledBack(grant, request.serial, lock !== null && lock !== undefined)) {
      held = read(() => new NativePromise((resolve) => (request.free = resolve)));
      if (!held) this.#client.settled(grant, request.serial, 2, 'the promise to hold the lock on could not be made');
    }
    // Not earlier: the lock may be released at once, and what releases it has to be in place.
    this.#client.run();
    return held;
  }

  #settled(grant: number, request: PlatformRequest, how: 0 | 1 | 2, said?: string): void {
    this.end(grant, request.serial, false);
    this.#client.settled(grant, request.serial, how, said);
    this.#client.run();
  }

  #answered(request: PlatformRequest): void {
    if (!request.isAnswered) this.#waits?.end();
    request.isAnswered = true;
  }

  /** Forgets a request. With `isToBeFreed`, withdraws it, or frees its lock. */
  end(grant: number, serial: number, isToBeFreed: boolean): void {
    const request = this.#requests[grant];
    if (request?.serial !== serial) return;
    this.#requests[grant] = undefined;
    this.#answered(request);
    if (!isToBeFreed) return;
    const { free, controller } = request;
    if (free) return free();
    if (!request.isQueued) return;
    request.controller = undefined;
    // If that fails, it is granted when its turn comes, and freed at once.
    if (controller) read(() => controller.abort());
    else void done.then(() => this.#settled(grant, request, 1));
  }

  /** Goes to the lock manager and back, and then tells the rules. */
  async confirm(grant: number, serial: number): Promise<void> {
    await roundTrip();
    this.#client.confirmed(grant, serial);
  }
}

/** How many controllers are kept. */
const KEPT = 16;

/** @internal What `call` returned, if it is an object. @throws what it is otherwise, as text. */
export function anObject(call: string, returned: unknown): object {
  if (typeof returned === 'object' && returned !== null) return returned;
  throw `${call} returned ${text(returned)}, and no promise`;
}

/**
 * Goes to the platform's lock manager and back. Messages between it and one context keep their order. So when
 * the answer is here, all that it sent before is here, and all that we sent before has reached it.
 *
 * @internal
 */
export async function roundTrip(): Promise<void> {
  try {
    // No lock of a manager can have this name.
    await platformLocks().request('crosslock:round-trip', { mode: 'shared', ifAvailable: true }, () => {});
  } catch {
    // It went there and came back, or there is nothing to go to.
  }
}
