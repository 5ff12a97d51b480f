import { done } from '../native-promise.js';
import { asyncDispose } from '../dispose.js';
import { describe } from '../describe.js';
import { LockError } from '../errors.js';
import { read } from '../host.js';
import { LockManager, type LockManagerOptions, type LockScope, type sealed } from '../manager.js';
import { checkTimeout } from '../options.js';
import type { LockSnapshot } from '../snapshot.js';
import { DatadirKind } from './addon.js';
import { errorOf, type NativeSpace, nativeSpace } from './client.js';
import { notOpened } from './errors.js';
import { builtin, type Host } from './host.js';
import { snapshotOf } from './names.js';
import { client } from './wasm.js';

/** Options of {@link FcntlPidLockManager.open}, {@link FlockPidLockManager.open} and {@link SharedDatadirLockManager.open}. */
export interface DatadirOptions extends LockManagerOptions {
  /**
   * For how many milliseconds to wait for another process that is in the way, such as one that is
   * shutting down. 0, the default, does not wait; `Infinity` waits for ever. No system has a wait for such a
   * lock with a timeout, so it is tried again at intervals of at most 20 milliseconds, on a thread of its own.
   */
  timeout?: number | undefined;
  /**
   * The name of the file in the datadir that is locked, by default `LOCK`. Another is for a datadir in
   * which `LOCK` belongs to something else. All programs must use the same one.
   */
  lockFile?: string | undefined;
}

/** How often to look whether a datadir is still ours, for those who want to know, in milliseconds. As in the crate. */
const CHECK_INTERVAL = 400;

/** Nobody outside of this file has it. */
const key = Symbol('key');

/**
 * What {@link FcntlPidLockManager}, {@link FlockPidLockManager} and {@link SharedDatadirLockManager} have in common:
 * named locks on one datadir, until the manager is closed and its last lock is free. If the thread or the process
 * ends before that, in whichever way, the kernel frees them. Programs in Rust that use the crate are excluded, and
 * exclude, in the same way.
 *
 * - **Loss.** Whoever deletes or replaces the lock files lets others in. That is noticed within a second of
 *   use: {@link DatadirLockManager.lost} and the `lost` of guards are aborted, and every call fails with
 *   `LOST`.
 * - **One kind for ever.** All programs must lock a datadir in one way: by `fcntl`, by `flock`, or shared. (On one
 *   machine they refuse each other, and the error says so; over NFS that is not so.)
 */
export abstract class DatadirLockManager extends LockManager {
  /** See {@link LockManager}. */
  declare protected readonly [sealed]: never;

  override readonly scope: LockScope = 'datadir';

  /** The directory, as an absolute path. */
  readonly datadir: string;
  readonly #token: string;
  readonly #space: NativeSpace;
  readonly #lost = new AbortController();
  #timer: AbortSignal | undefined;

  /** @internal */
  protected constructor(theKey: unknown, datadir: string, space: NativeSpace, options: LockManagerOptions) {
    if (theKey !== key) throw new TypeError('a datadir is opened by the static method open()');
    const token = client.addDatadir(space, datadir);
    super({ name: token, isPrefix: true, isAnswered: true, clientId: () => client.id }, options);
    this.datadir = datadir;
    this.#token = token;
    this.#space = space;
    space.watch = () => this.#lookAgain();
  }

  /**
   * Aborted, with a {@link LockError} of code `LOST` as its reason, once the datadir is no longer ours. From then
   * on another process may use it: stop.
   */
  get lost(): AbortSignal {
    this.#lookAgain();
    return this.#lost.signal;
  }

  /**
   * Gives the datadir up. From then on every call fails. A lock that is still held, or waited for, keeps the
   * datadir until it is free.
   */
  close(): Promise<void> {
    client.removeDatadir(this.#token, this.datadir);
    return done;
  }

  /** For `await using`: {@link DatadirLockManager.close | close()}. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  override async query(): Promise<LockSnapshot> {
    if (this.#space.closed) throw this.#space.closed();
    try {
      return snapshotOf(client.addon.list(this.#space.number));
    } catch (thrown) {
      throw errorOf(thrown);
    }
  }

  /**
   * No system tells of all that can happen to a file, so we look, once somebody wants to know. By Node's own
   * clock, which test suites do not replace, and which keeps no process alive.
   */
  #lookAgain(): void {
    if (this.#timer || this.#lost.signal.aborted || this.#space.closed) return;
    const timer = AbortSignal.timeout(CHECK_INTERVAL);
    timer.addEventListener('abort', () => {
      this.#timer = undefined;
      if (!this.#look()) this.#lookAgain();
    });
    this.#timer = timer;
  }

  /** Whether the datadir is lost, as far as that can be told. */
  #look(): boolean {
    if (this.#space.closed) return false;
    const reason = read(() => client.addon.checkDatadir(this.#space.number));
    if (typeof reason !== 'string') return false;
    this.#lost.abort(new LockError('LOST', `datadir ${this.datadir} lost: ${reason}`));
    return true;
  }
}

/** A class with a constructor that only this file can call. */
type Opens<T> = new (theKey: unknown, datadir: string, space: NativeSpace, options: LockManagerOptions) => T;

async function open<T>(Manager: Opens<T>, kind: DatadirKind, datadir: unknown, options: DatadirOptions): Promise<T> {
  const { timeout = 0, lockFile, label, warnAfter } = Object(options) as DatadirOptions;
  checkTimeout(timeout);
  if (warnAfter !== undefined) checkTimeout(warnAfter, 'warnAfter');
  if (lockFile !== undefined && typeof lockFile !== 'string') throw new TypeError(`lockFile must be a string; got ${describe(lockFile)}`);
  const { shown, bytes } = absolute(datadir);
  const opened = await client.openDatadir(kind, bytes, lockFile === undefined ? undefined : encoded(lockFile), timeout);
  if (opened.space === undefined) throw notOpened(opened, shown);
  return new Manager(key, shown, nativeSpace(opened.space, label), { label, warnAfter });
}

/** What the directory is called at this moment, whatever the current one is later. */
function absolute(datadir: unknown): { shown: string; bytes: Uint8Array } {
  const { Buffer } = builtin('node:buffer');
  const { resolve, sep } = builtin('node:path');
  if (typeof datadir === 'string') {
    const shown = resolve(datadir);
    return { shown, bytes: encoded(shown) };
  }
  if (datadir instanceof URL) return absolute(builtin('node:url').fileURLToPath(datadir));
  if (!(datadir instanceof Uint8Array)) throw new TypeError(`a datadir must be a string, a file URL or a Buffer; got ${describe(datadir)}`);
  if (isWindows()) return absolute(new TextDecoder().decode(datadir));
  // A name that is no UTF-8 stays what it is.
  const isAbsolute = datadir[0] === sep.charCodeAt(0);
  const { process } = globalThis as Host;
  const bytes = isAbsolute ? datadir : Buffer.concat([encoded(`${process?.cwd() ?? ''}${sep}`), datadir]);
  return { shown: new TextDecoder().decode(bytes), bytes };
}

/** As the addon takes paths. */
const encoded = (path: string) => builtin('node:buffer').Buffer.from(path, isWindows() ? 'utf16le' : 'utf8');

const isWindows = () => (globalThis as Host).process?.platform === 'win32';

/**
 * Named locks on one datadir, by open-file-description locks of `fcntl(2)`: on Linux and macOS, also over
 * POSIX-compliant NFS. They exclude the tasks of this thread by key, and every other opener of the datadir as a
 * whole: a second `open` fails with `ALREADY_HELD`, also from another thread of this process.
 *
 * ```ts
 * await using locks = await FcntlPidLockManager.open('/home/me/.wallet', { timeout: 5_000 });
 * await using guard = await locks.lock('lightning.send.42', { timeout: 10_000 });
 * ```
 */
export class FcntlPidLockManager extends DatadirLockManager {
  /**
   * Opens a datadir for this thread alone. It is created, with its parents, if it is missing. The event loop
   * is never blocked.
   *
   * @param datadir is a path, a file URL, or the bytes of a path.
   * @throws {@link LockError} `ALREADY_HELD`, with `datadir` and, where it is known, the `pid` of the holder;
   * `IO` with the system's error as `cause`; `UNAVAILABLE` without the native half of the package; `UNSUPPORTED`
   * on Windows.
   */
  static open(datadir: string | URL | Uint8Array, options: DatadirOptions = {}): Promise<FcntlPidLockManager> {
    return open(FcntlPidLockManager as unknown as Opens<FcntlPidLockManager>, DatadirKind.Fcntl, datadir, options);
  }
}

/**
 * Named locks on one datadir, as those of {@link FcntlPidLockManager}, by `flock(2)`, or on Windows by
 * `LockFileEx`. Not for network file systems.
 */
export class FlockPidLockManager extends DatadirLockManager {
  /** As {@link FcntlPidLockManager.open}, also on Windows. */
  static open(datadir: string | URL | Uint8Array, options: DatadirOptions = {}): Promise<FlockPidLockManager> {
    return open(FlockPidLockManager as unknown as Opens<FlockPidLockManager>, DatadirKind.Flock, datadir, options);
  }
}

/**
 * Named locks on one datadir that any number of processes and threads may have open: a CLI beside its daemon. They
 * exclude each other by key, first come, first served, shared and exclusive. Nobody is refused but those who want
 * the datadir for themselves, and these refuse it.
 *
 * ```ts
 * await using locks = await SharedDatadirLockManager.open('/home/me/.wallet');
 * await using guard = await locks.lock('lightning.send.42', { timeout: 10_000 }); // also against the daemon, in Rust
 * ```
 *
 * - **The kernel is the only authority**, by open-file-description locks of `fcntl(2)`, or on Windows by `LockFileEx`,
 *   on the files in `<datadir>/LOCKS`, to which nothing is written. When a process ends, in whichever way, its locks and its
 *   places in queues are gone at once.
 * - **Who has a place in the queue** is the manager: it asks for a key when its first task does, and its tasks hand
 *   the key on in their order, at most 1,000 times and for 10 ms while others wait. Each thread that opens the
 *   datadir has a place of its own.
 * - **A process that is stopped** (`SIGSTOP`, a debugger) keeps what it holds, and others wait. Their timeout says so.
 * - **It cannot steal:** `request()` with `steal` fails with `UNSUPPORTED`, as no system takes a lock of the kernel from
 *   a process.
 * - **To try** never waits for a holder. `tryLock`, and `lock` with a timeout of 0, may find a key taken in
 *   the very moment in which another process joins the queue, or gives up a wait.
 * - **Its tasks may wait for ever** without a thread of the event loop: a wait for another process runs on a thread of
 *   the native half, one for each lock that is directly in the way.
 */
export class SharedDatadirLockManager extends DatadirLockManager {
  override readonly scope: LockScope = 'shared-datadir';

  /**
   * Opens a datadir, beside all others that have opened it with this manager. It is created, with its parents, if it
   * is missing. The event loop is never blocked.
   *
   * @param datadir is a path, a file URL, or the bytes of a path.
   * @throws {@link LockError} `ALREADY_HELD` if another kind of manager has the datadir for itself, with `datadir` and,
   * where it is known, the `pid` of the holder; `IO` with the system's error as `cause`; `UNAVAILABLE` without the
   * native half of the package; `UNSUPPORTED` on a platform that has no such locks.
   */
  static open(datadir: string | URL | Uint8Array, options: DatadirOptions = {}): Promise<SharedDatadirLockManager> {
    return open(SharedDatadirLockManager as unknown as Opens<SharedDatadirLockManager>, DatadirKind.Shared, datadir, options);
  }
}
