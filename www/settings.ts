// What a visitor chose, for all tabs and frames of this browser.

import type { LockMode } from 'crosslock';

export interface Settings {
  /** Whether payments are made under the lock. */
  locked: boolean;
  /** The key, and the mode, that the tabs' buttons ask for. */
  key: string;
  mode: LockMode;
}

const NAME = 'crosslock-demo';
const DEFAULTS: Settings = { locked: false, key: 'wallet.balance', mode: 'exclusive' };

export const settings = (): Settings => ({ ...DEFAULTS, ...JSON.parse(localStorage.getItem(NAME) ?? '{}') });

/** Calls back at once, and after each change in whatever tab. */
export function onSettings(callback: (settings: Settings) => void): void {
  callbacks.push(callback);
  callback(settings());
}

export function change(changes: Partial<Settings>): void {
  localStorage.setItem(NAME, JSON.stringify({ ...settings(), ...changes }));
  changed();
}

const callbacks: ((settings: Settings) => void)[] = [];

const changed = () => {
  for (const callback of callbacks) callback(settings());
};

// Fires in the other tabs alone.
addEventListener('storage', ({ key }) => key === NAME && changed());
