import { platformDefault } from './crosslock/index.js';
import { Requests } from './requests.js';
import { claimName, hasName, tabNames } from './tabs.js';
import { addToLog, showAll, showMine } from './view.js';

const element = (id) => document.getElementById(id);

/** How often the live view asks for news that no tab has told of, in milliseconds: a tab that is gone. */
const REFRESH = 500;

try {
  start(await platformDefault({ namespace: 'demo' }));
} catch (error) {
  element('status').textContent = error.message;
  element('status').hidden = false;
  for (const control of element('take').elements) control.disabled = true;
}

async function start(locks) {
  const news = new BroadcastChannel('crosslock-demo');
  const requests = new Requests(locks, (line) => {
    if (line) addToLog(element('log'), line);
    showMine(element('mine'), requests.list);
    news.postMessage(null);
    refresh();
  });

  let asked = 0;
  async function refresh() {
    const turn = ++asked;
    const [snapshot, names] = await Promise.all([locks.query(), tabNames()]);
    // An answer that comes late must not hide a newer one.
    if (turn === asked) showAll(element('all').tBodies[0], snapshot, names, name);
  }

  let name;
  const introduce = async () => {
    name = await claimName();
    element('tab-name').textContent = name;
    document.title = `${name} · crosslock`;
    news.postMessage(null);
    await refresh();
  };
  await introduce();

  news.onmessage = refresh;
  setInterval(() => document.hidden || refresh(), REFRESH);
  addEventListener('visibilitychange', () => document.hidden || refresh());
  addEventListener('pageshow', () => hasName() || introduce());

  element('take').addEventListener('submit', (event) => {
    event.preventDefault();
    const { key, mode, patience, timeout } = Object.fromEntries(new FormData(event.target));
    const seconds = { forever: Infinity, timeout: Number(timeout), try: undefined }[patience];
    if (event.submitter?.value === 'steal') requests.steal(key);
    else requests.take(key, mode, seconds === undefined ? undefined : seconds * 1000);
  });

  const patience = element('patience');
  const update = () => (element('timeout').disabled = patience.value !== 'timeout');
  patience.addEventListener('change', update);
  update();
  document.documentElement.dataset.ready = '';
}
