// The native half: what `node/` exports. Its `exports.rs` and `calls.rs` say more of each function.

import type { LockErrorCode } from '../errors.js';

/** @internal The functions of the addon. All answer within the call, and none calls back within it. */
export interface Addon {
  version(): string;
  /** Makes this copy of the addon the one of the process; or says where that one is. */
  claim(): string | null;
  /** Which rule a key breaks: see `messages.ts`. */
  checkKey(key: string): number;

  /** Makes a client, whose number others take. `wake` is called when {@link next} has something. */
  connect(wake: () => void, name: string): number;
  open(client: number, space: number, key: string): number;
  /** Forgets a queue without requests. */
  close(queue: number): void;

  /** The number of a new request, from 1, above three bits of its state. */
  request(queue: number, flags: number): number;
  /** The same in the name of another than the client. */
  requestAs(queue: number, flags: number, name: string): number;
  state(request: number): number;
  reason(request: number): string;
  /**
   * Frees a held lock and forgets its request. Returns 1, below a bit that says whether {@link next} has
   * something, below the queue if it has no request any more, plus one; or `Freed.Lost`, and does nothing.
   */
  free(request: number): number;
  /** The same whatever the state is. */
  remove(request: number): number;
  /** Makes a held lock shared. Returns its state then. Afterwards {@link next} may have something. */
  downgrade(request: number): number;
  /** The next request of a client that may have changed, above three bits of its state; or 0. */
  next(client: number): number;
  /** Has the loss of a held lock told by {@link next}. Returns the state. */
  watch(request: number): number;

  ahead(request: number, most: number): Ahead | null;
  list(space: number): Row[];

  /**
   * Begins to open a datadir, for so many milliseconds. `wake` is called when {@link opened} has something,
   * which then has the number that this returns.
   */
  openDatadir(client: number, kind: DatadirKind, datadir: Uint8Array, lockFile: Uint8Array | undefined, timeout: number): number;
  opened(client: number): Opened | null;
  /** Gives a datadir up when the last of its requests is gone. */
  closeDatadir(space: number): boolean;
  /** Why a datadir is not ours any more, if so. */
  checkDatadir(space: number): string | null;
}

/** @internal How a datadir is locked. */
export const enum DatadirKind {
  Flock,
  Fcntl,
  Shared,
}

/** @internal Who is in the way of a request. */
export interface Ahead {
  /** The name of its request, see `names.ts`; of another process some words in the place of the label. */
  holder?: string;
  /** In milliseconds. */
  heldFor: number;
  /** How many wait in front; not known of other processes. */
  waiting?: number;
}

/** @internal A datadir that was opened: its space, or why not. */
export interface Opened {
  ticket: number;
  space?: number;
  code?: LockErrorCode;
  message?: string;
  pid?: number;
  errno?: number;
}

/** @internal A request of any thread. */
export interface Row {
  key: string;
  isShared: boolean;
  isHeld: boolean;
  /** In milliseconds; not known of other processes. */
  age?: number;
  name?: string;
}

/** @internal The number of the space of locks in memory. */
export const MEMORY = 0;
