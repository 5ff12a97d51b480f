import { LockManager, type LockManagerOptions, type LockScope, type sealed } from './manager.js';

/** Options of {@link WebLockManager}. */
export interface WebLockManagerOptions extends LockManagerOptions {
  /**
   * Keeps locks apart from those of other namespaces, such as those of another wallet on the same
   * origin. Empty, or by the rules for keys; one that breaks them makes every call fail with
   * `INVALID_NAMESPACE`.
   */
  namespace?: string | undefined;
  /**
   * In the place of a namespace: the browser calls a lock `<prefix><key>`. For applications whose
   * users have tabs open with locks under names of their own, such as `bark.<fingerprint>.<key>`, so
   * that the old tabs and the new ones exclude each other.
   *
   * Two prefixes share no lock if neither is the start of the other, as with fingerprints of one
   * length, or if the longer one ends in a character that keys cannot have, such as `:` or `/`.
   * Otherwise some of their keys name one lock: they exclude each other more than they need to, never
   * less. One that begins with `-`, which browsers refuse, or with `crosslock:`, which is for
   * namespaces, makes every call fail with `INVALID_NAMESPACE`.
   */
  prefix?: string | undefined;
  /**
   * Whether the tasks of one page, worker or thread pass a lock on among themselves while others
   * wait, which is many times faster; on by default. Without it every request queues with the
   * browser for itself: strictly first come, first served among all tabs.
   */
  passing?: boolean | undefined;
}

/**
 * What Electron calls its pages and their workers, in `process.type`. It can give them Node's `process`; their
 * `navigator` is Chromium's all the same. (The crate has the same rule, in platform.rs.)
 */
const PAGES_OF_ELECTRON = ['renderer', 'worker', 'service-worker'];

/**
 * Named locks over `navigator.locks` (MDN: "Web Locks API"). In a browser they exclude all tabs and
 * workers of the same origin in the same profile; not other browsers, profiles or private windows,
 * and not the same site under another host name. In Node (24.5 and later) they exclude the threads
 * of one process.
 *
 * Node's own lock manager can grant one lock to two threads that ask at the same moment (seen in Node
 * 24.21 and 26.10): between threads these locks are for what may in rare cases happen twice. Among the
 * tasks of one thread, and in browsers, they hold.
 *
 * The browser frees the locks of a tab that is closed, reloaded or has crashed, and hands them to
 * the next in its queue. A page that goes into the back/forward cache loses its locks: `lost` says so.
 *
 * Without `navigator.locks` (an insecure context, an opaque origin, an old browser) every call fails
 * with `UNAVAILABLE`; nothing falls back to a narrower lock.
 *
 * A round trip to the browser takes a tenth of a millisecond, and more, so the tasks of one page,
 * worker or thread that wait for one key stand in a line of their own, first come, first served. Who
 * releases hands the lock on to the next of that line, for at most 1,000 turns and 10 milliseconds
 * after the browser's grant; after that the first of the line queues with the browser like everyone
 * else. So a request of another tab may be overtaken by later ones of this tab: by those whose turn
 * begins in these 10 milliseconds, for the whole time for which they hold the lock. That can happen
 * under the present grant, and under the one for which this tab queued before the other did.
 * `passing: false` turns that off.
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
    // The specification gives every request a client.
    super({ name, isPrefix: prefix !== undefined, isAlone: !passing, clientId: () => '' }, options);
  }

  override get scope(): LockScope {
    const { process } = globalThis as { process?: { type?: string; versions?: { node?: string } } };
    return process?.versions?.node && !PAGES_OF_ELECTRON.includes(process.type ?? '') ? 'process' : 'origin';
  }
}
