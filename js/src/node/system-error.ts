import { read } from '../host.js';
import { builtin, type Host } from './host.js';

/** What the errors of Windows are called that a file can have. By libuv's table (`src/win/error.c`). */
const OF_WINDOWS: Record<number, string> = {
  ...{ 2: 'ENOENT', 3: 'ENOENT', 5: 'EPERM', 19: 'EROFS', 32: 'EBUSY', 33: 'EBUSY', 39: 'ENOSPC', 50: 'ENOTSUP' },
  ...{ 53: 'ENOENT', 112: 'ENOSPC', 123: 'ENOENT', 183: 'EEXIST', 206: 'ENAMETOOLONG', 267: 'ENOENT', 1117: 'EIO' },
};

/** @internal The system's error, shaped as Node's own are, but that `errno` is the system's own number on Windows. */
export function systemError(errno: number): Error {
  if ((globalThis as Host).process?.platform === 'win32') {
    const code = OF_WINDOWS[errno];
    return Object.assign(new Error(`${code ?? 'UNKNOWN'}: error ${errno} of Windows`), { errno, ...(code === undefined ? {} : { code }) });
  }
  // libuv has Unix's numbers with a minus.
  const code = read(() => builtin('node:util').getSystemErrorName(-errno));
  return Object.assign(new Error(code ?? `error ${errno} of the system`), code === undefined ? { errno } : { errno: -errno, code });
}
