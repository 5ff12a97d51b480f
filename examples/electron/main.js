// A desktop wallet: its main process owns the datadir while it runs, and tells the user who has it if another
// process does. A second window of the same wallet, a CLI or a daemon written in Rust are refused in the same way.

import { join } from 'node:path';
import { app, BrowserWindow, dialog, ipcMain } from 'electron';
import { LockError, platformDefault } from 'crosslock';

const datadir = join(app.getPath('userData'), 'wallet');

/** The locks of the wallet, or `undefined` if the user has given up. */
async function openWallet() {
  for (;;) {
    try {
      // `fcntl` on macOS and Linux, `LockFileEx` on Windows. The wallet before may still be shutting down.
      return await platformDefault({ datadir, timeout: 2_000 });
    } catch (error) {
      if (!(error instanceof LockError)) throw error;
      const { response } = await dialog.showMessageBox({
        type: 'warning',
        message: error.code === 'ALREADY_HELD' ? 'The wallet is in use' : 'The wallet cannot be locked',
        detail: error.code === 'ALREADY_HELD' ? `Process ${error.pid ?? '?'} has ${error.datadir}.` : error.message,
        buttons: ['Try again', 'Quit'],
        cancelId: 1,
      });
      if (response === 1) return undefined;
    }
  }
}

/** Pays. One invoice at a time, whichever window asks. */
async function pay(locks, invoice) {
  return locks.request(`lightning.send.${invoice}`, { timeout: 10_000 }, async (guard) => {
    // Right before what cannot be undone: somebody may have deleted the datadir.
    guard.lost.throwIfAborted();
    return `paid ${invoice}`;
  });
}

await app.whenReady();
const locks = await openWallet();
if (!locks) {
  app.quit();
} else {
  ipcMain.handle('pay', (_event, invoice) => pay(locks, String(invoice)));
  app.on('will-quit', () => void locks.close());
  const window = new BrowserWindow();
  await window.loadURL('data:text/html,<title>wallet</title><h1>The wallet is open</h1>');
}
