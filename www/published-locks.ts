// A lock manager that publishes the requests of this tab, and what becomes of them.

import { LockError, WebLockManager } from 'crosslock';
import type {
  LockCallback,
  LockGuard,
  LockMode,
  LockOptions,
  RequestOptions,
  TryLockOptions,
} from 'crosslock';
import { listen, now, publish, type State, type TabRequest } from './channel.js';
import { withNames, type Tab } from './tabs.js';

export class PublishedLocks extends WebLockManager {
  readonly #tab: Tab;
  readonly #open = new Set<TabRequest>();

  constructor(tab: Tab) {
    super({ namespace: 'demo' });
    this.#tab = tab;
    listen('recall', () => {
      for (const request of this.#open) publish('request', request);
    });
  }

  override async lock(key: string, options: LockOptions): Promise<LockGuard> {
    const request = this.#publish(key, options.mode);
    const guard = await this.#unlessFailed(request, super.lock(key, options), options.signal);
    return this.#hold(request, guard);
  }

  override async tryLock(key: string, options: TryLockOptions = {}): Promise<LockGuard | null> {
    const request = this.#publish(key, options.mode);
    const guard = await this.#unlessFailed(request, super.tryLock(key, options));
    if (guard) return this.#hold(request, guard);
    this.#end(request, 'refused');
    return null;
  }

  /** The demo uses it for steals alone. */
  override async request<T>(
    key: string,
    options: RequestOptions | LockCallback<T>,
    callback?: LockCallback<T, never>,
  ): Promise<Awaited<T>> {
    if (typeof options === 'function') throw new TypeError('the demo always gives options');
    const request = this.#publish(key, options.mode);
    const held = (guard: LockGuard) => (callback as LockCallback<T>)(this.#hold(request, guard));
    return this.#unlessFailed(request, super.request(key, { ...options, ifAvailable: false }, held));
  }

  #publish(key: string, mode: LockMode = 'exclusive'): TabRequest {
    const { id: tab, name } = this.#tab;
    const request: TabRequest = {
      id: crypto.randomUUID(),
      tab,
      name,
      key,
      mode,
      state: 'pending',
      requested: now(),
    };
    this.#open.add(request);
    publish('request', request);
    return request;
  }

  #hold(request: TabRequest, guard: LockGuard): LockGuard {
    request.state = 'held';
    request.granted = now();
    publish('request', request);
    guard.lost.addEventListener('abort', () => this.#end(request, 'lost', guard.lost.reason.message));
    // `await using` calls this function too.
    guard.release = async () => {
      await Object.getPrototypeOf(guard).release.call(guard);
      this.#end(request, 'released');
    };
    return guard;
  }

  async #unlessFailed<T>(request: TabRequest, answer: Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      const timedOut = error instanceof LockError && error.code === 'TIMED_OUT';
      const state = timedOut ? 'timed out' : signal?.aborted ? 'cancelled' : 'failed';
      this.#end(request, state, await withNames((error as Error).message));
      throw error;
    }
  }

  /** The first end counts, because a lock that was lost is also released. */
  #end(request: TabRequest, state: State, message?: string): void {
    if (!this.#open.delete(request)) return;
    publish('request', Object.assign(request, { state, ended: now() }, message !== undefined && { message }));
  }
}
