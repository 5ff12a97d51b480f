import { hasNodeLocks } from './host.js';
import { LockManager, type LockManagerOptions, type LockScope, type sealed } from './manager.js';

/** Options of {@link WebLockManager}. */
export interface WebLockManagerOptions extends LockManagerOptions {
  /**
   * Keeps locks apart from those of other namespaces, such as those of another wallet on the same
   * origin. It is empty or follows the rules for keys. If it breaks them, every call fails with
   * `INVALID_NAMESPACE`.
   */
  namespace?: string | undefined;
  /**
   * In the place of a namespace: the browser calls a lock `<prefix><key>`. This is for applications
   * that have shipped lock names of their own, such as `bark.<fingerprint>.<key>`: with the same names,
   * old tabs and new ones exclude each other.
   *
   * Two prefixes share no lock if neither is the start of the other, as with fingerprints of one
   * length, or if the longer one ends in a character that keys cannot have, such as `:` or `/`.
   * Otherwise some of their keys name one lock. They then exclude each other more than they need to,
   * and never less. A prefix must not begin with `-`, which browsers refuse, or with `crosslock:`,
   * which is for namespaces: every call would fail with `INVALID_NAMESPACE`.
   */
  prefix?: string | undefined;
  /**
   * Whether the tasks of one page, worker or thread hand a lock on among themselves while others
   * wait, which is many times faster. It is on by default. With `false`, every request queues with
   * the browser by itself: strictly first come, first served among all tabs.
   */
  passing?: boolean | undefined;
}

/**
 * Named locks over `navigator.locks` (MDN: "Web Locks API"). In a browser they exclude all tabs and
 * workers of the same origin in the same profile; not other browsers, profiles or private windows,
 * and not the same site under another host name. In Node (24.5 and later) they exclude the threads
 * of one process.
 *
 * Node's own lock manager can grant one lock to two threads that request it at the same time (seen in
 * Node 24.21 and 26.10). So between threads, use these locks only for what may in rare cases happen twice. Among the
 * tasks of one thread, and in browsers, they hold. A request that was given up stays in Node's queue until the next
 * release, and readers behind a writer wait until then.
 *
 * Chromium (156) grants locks only on a release. So when a writer gives up its wait, the readers that queued behind it
 * wait until a present holder releases, although nothing conflicts with them any more.
 *
 * The browser frees the locks of a tab that is closed, reloaded or has crashed, and grants them to
 * the next in its queue. A page that goes into the back/forward cache loses its locks: `lost` says so.
 * A *worker* is not told of that, and WebKit keeps its locks held meanwhile: end it in the page's `pagehide` if
 * `event.persisted` is true, and start it again in `pageshow`.
 *
 * Without `navigator.locks` (an insecure context, an opaque origin, an old browser) every call fails
 * with `UNAVAILABLE`. Nothing falls back to a lock that excludes less.
 *
 * A round trip to the browser takes a tenth of a millisecond or more. So the tasks of one page, worker
 * or thread that wait for one key form a local queue, first come, first served. A task that releases the
 * lock hands it on to the next task in this queue, for at most 1,000 turns and 10 milliseconds after the
 * browser's grant. After that, the first task of the local queue queues with the browser like everyone
 * else.
 *
 * So a request of another tab may be overtaken by later ones of this tab: by those whose turn begins in
 * these 10 milliseconds, for as long as they hold the lock. At most two grants can do that: the present
 * one, and the next one if this tab queued for it before the other tab did. `passing: false` turns it off.
 *
 * The browser calls a lock `crosslock:<namespace>:<key>`, unless a prefix is given.
 */
export class WebLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  constructor({ namespace, prefix, passing = true, ...options }: WebLockManagerOptions = {}) {
    if (namespace !== undefined && prefix !== undefined) throw new TypeError('give a namespace or a prefix, not both');
    const name = prefix ?? namespace ?? '';
    if (typeof name !== 'string') throw new TypeError(`${prefix === undefined ? 'namespace' : 'prefix'} must be a string`);
    // By the specification, the browser knows the client of every request.
    super({ name, isPrefix: prefix !== undefined, isAlone: !passing, clientId: () => '' }, options);
  }

  override get scope(): LockScope {
    return hasNodeLocks() ? 'process' : 'origin';
  }
}
