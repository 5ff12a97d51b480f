// What this tab has asked for: every request from the click to its end.

export class Requests {
  #locks;
  #report;
  #list = [];

  /** @param report is called after every change, with a line for the log if there is something to tell. */
  constructor(locks, report) {
    this.#locks = locks;
    this.#report = report;
  }

  /** The requests that wait, hold or have lost their lock. */
  get list() {
    return this.#list;
  }

  /** @param timeout in milliseconds, `Infinity` for ever; `undefined` does not wait. */
  async take(key, mode, timeout) {
    const controller = new AbortController();
    const request = { key, mode, state: 'waiting', cancel: () => controller.abort() };
    this.#add(request);
    try {
      const guard =
        timeout === undefined
          ? await this.#locks.tryLock(key, { mode })
          : await this.#locks.lock(key, { mode, timeout, signal: controller.signal });
      if (guard) this.#hold(request, guard);
      else this.#remove(request, `${key}: held by someone else`);
    } catch (error) {
      this.#remove(request, controller.signal.aborted ? `${key}: no longer waiting` : error.message);
    }
  }

  async steal(key) {
    const request = { key, mode: 'exclusive', state: 'waiting', cancel() {} };
    this.#add(request);
    try {
      // `request()` holds the lock until its callback is done; here that is a click on "Release".
      await this.#locks.request(key, { steal: true }, (guard) => {
        const done = new Promise((resolve) => guard.lost.addEventListener('abort', resolve));
        return Promise.race([done, this.#hold(request, guard)]);
      });
    } catch (error) {
      // The thief was robbed in turn: its guard has reported that.
      if (error.name !== 'AbortError') this.#remove(request, error.message);
    }
  }

  /** Resolves when the lock is released. */
  #hold(request, guard) {
    request.state = 'held';
    guard.lost.addEventListener('abort', () => {
      request.state = 'lost';
      this.#report(guard.lost.reason.message);
    });
    return new Promise((resolve) => {
      request.release = async () => {
        const { state } = request;
        await guard.release();
        this.#remove(request, state === 'held' && `${request.key}: released`);
        resolve();
      };
      this.#report(`${request.key}: ours, ${request.mode}`);
    });
  }

  #add(request) {
    this.#list = [...this.#list, request];
    this.#report();
  }

  #remove(request, line) {
    this.#list = this.#list.filter((other) => other !== request);
    this.#report(line);
  }
}
