// The page: a tab like the frames, with a view of all of them.

import { LockError } from 'crosslock';
import { query } from './actions.js';
import { Board } from './board.js';
import { listen, publish } from './channel.js';
import { startCode } from './code.js';
import { Controls } from './controls.js';
import { byId, sats, title } from './dom.js';
import { startFencing } from './fencing.js';
import { addFrames } from './frames.js';
import { History } from './history.js';
import { addToLog } from './log.js';
import { join, type Participant } from './participant.js';
import { drawRace, summary } from './race.js';
import { payFromEveryTab } from './round.js';
import { change, onSettings, settings } from './settings.js';
import { openTabs } from './tabs.js';
import { Timeline } from './timeline.js';

/** How often the view asks for what no tab has told: that one is gone. In milliseconds. */
const REFRESH = 500;

/** How many frames a window has when it is opened, unless `?frames=` says otherwise. */
const FRAMES = 3;

startCode();
startFencing();
try {
  await start(await join(sessionStorage.getItem('tab')));
} catch (error) {
  byId('status').textContent = (error as Error).message;
  byId('status').hidden = false;
  for (const control of document.querySelectorAll<HTMLButtonElement>('main .needs-locks'))
    control.disabled = true;
  if (!(error instanceof LockError)) throw error;
}

async function start({ tab, locks, wallet }: Participant): Promise<void> {
  sessionStorage.setItem('tab', tab.name);
  document.title = `${title(tab.name)} · crosslock`;
  byId('tab-name').textContent = title(tab.name);
  byId('own-name').textContent = `${title(tab.name)}, here`;
  for (const element of [byId('tab-name'), byId('own')]) element.dataset.tab = tab.name;

  startWallet(wallet);
  new Controls(tab, locks, byId('own-controls'));
  startSettings();
  startFrames();

  const history = new History((request) => {
    addToLog(byId('log'), request);
    void refresh();
  });
  const board = new Board(byId('board'));
  const timeline = new Timeline(byId('timeline'), history);
  let tabs = new Map<string, string>();
  let asked = 0;
  async function refresh() {
    const turn = ++asked;
    const [rows, open] = await Promise.all([query(locks), openTabs()]);
    // An answer that comes late must not hide a newer one.
    if (turn !== asked) return;
    tabs = open;
    history.onlyOf(tabs);
    board.show(rows, tabs, history);
    byId('count').textContent = tabs.size === 1 ? 'One tab is open.' : `${tabs.size} tabs are open.`;
  }
  await refresh();
  listen('hello', refresh);
  listen('block', refresh);
  setInterval(() => document.hidden || refresh(), REFRESH);
  addEventListener('visibilitychange', () => document.hidden || refresh());

  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let last = 0;
  const tick = (time: number) => {
    // Ten times a second, or once for those who want no motion.
    if (time - last > (calm.matches ? 1000 : 100)) {
      last = time;
      board.tick();
      timeline.draw(tabs);
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  document.documentElement.dataset.ready = '';
}

function startWallet(wallet: Participant['wallet']): void {
  const show = async () => {
    const statement = await wallet.statement();
    for (const [name, amount] of Object.entries(statement)) byId(name).textContent = sats(amount);
    byId('lost').dataset.lost = String(statement.lost);
  };
  void show();
  listen('refill', async () => {
    await show();
    byId('result').textContent = '';
    byId('race').replaceChildren();
  });
  listen('part', show);
  listen('result', async (result) => {
    drawRace(byId('race'), result);
    await show();
    byId('result').textContent = summary(result);
    Object.assign(byId('result').dataset, { round: result.id, lost: result.after.lost - result.before.lost });
  });

  byId('refill').addEventListener('click', async () => {
    await wallet.refill();
    publish('refill', null);
  });
  const button = byId<HTMLButtonElement>('pay');
  let busy = false;
  button.addEventListener('click', async () => {
    button.ariaDisabled = 'true';
    if (busy) return;
    busy = true;
    byId('result').textContent = 'Paying from every tab …';
    await payFromEveryTab(wallet, settings().locked).finally(() => {
      busy = false;
      button.ariaDisabled = null;
    });
  });
}

function startSettings(): void {
  const locked = byId<HTMLInputElement>('locked');
  const key = byId<HTMLInputElement>('key');
  const mode = byId<HTMLSelectElement>('mode');
  onSettings((settings) => {
    locked.checked = settings.locked;
    if (document.activeElement !== key) key.value = settings.key;
    mode.value = settings.mode;
    document.documentElement.dataset.locked = String(settings.locked);
  });
  byId('asks-for').addEventListener('submit', (event) => event.preventDefault());
  locked.addEventListener('change', () => change({ locked: locked.checked }));
  key.addEventListener('input', () => change({ key: key.value }));
  mode.addEventListener('change', () => change({ mode: mode.value === 'shared' ? 'shared' : 'exclusive' }));
}

function startFrames(): void {
  const wanted = Number(new URLSearchParams(location.search).get('frames') ?? FRAMES);
  void addFrames(byId('tabs'), Math.min(wanted, 7));
  byId('add').addEventListener('click', () => addFrames(byId('tabs'), 1));
}
