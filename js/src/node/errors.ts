import { LockError, type LockErrorData } from '../errors.js';
import type { Opened } from './addon.js';
import { read } from '../host.js';
import { builtin } from './host.js';

/** A {@link LockError} of code `ALREADY_HELD`. */
class AlreadyHeld extends LockError {
  override readonly pid: number | undefined;
  override readonly datadir: string;

  constructor(message: string, datadir: string, pid: number | undefined) {
    super('ALREADY_HELD', message);
    this.pid = pid;
    this.datadir = datadir;
  }

  override toJSON(): LockErrorData {
    const { pid, datadir } = this;
    return { ...super.toJSON(), datadir, ...(pid === undefined ? {} : { pid }) };
  }
}

/** @internal Why a datadir could not be opened. */
export function notOpened({ code = 'UNAVAILABLE', message = '', pid, errno }: Opened, datadir: string): LockError {
  if (code === 'ALREADY_HELD') return new AlreadyHeld(message, datadir, pid);
  return new LockError(code, message, errno === undefined ? {} : { cause: systemError(errno) });
}

/** The system's error, shaped as Node's own are. */
function systemError(errno: number): Error {
  // libuv has Unix's numbers with a minus, and on Windows others than the system.
  const code = read(() => builtin('node:util').getSystemErrorName(-errno));
  return Object.assign(new Error(code ?? `error ${errno} of the system`), code === undefined ? { errno } : { errno: -errno, code });
}
