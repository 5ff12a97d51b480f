import { LockError } from '../errors.js';
import type { Opened } from './addon.js';
import { systemError } from './system-error.js';

/** @internal Why a datadir could not be opened. */
export function notOpened({ code = 'UNAVAILABLE', message = '', pid, errno }: Opened, datadir: string): LockError {
  if (code === 'ALREADY_HELD') return new LockError(code, message, { datadir, pid });
  return new LockError(code, message, errno === undefined ? {} : { cause: systemError(errno) });
}
