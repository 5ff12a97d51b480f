// A Node process and a native one beside the tabs, where the visitor runs them: `npm start -- --with-node`.

import { byId, create } from './dom.js';

interface Said {
  name: 'node' | 'native' | 'spans';
  line: string;
  state: 'stopped' | 'starting' | 'holds' | 'refused';
  at: number;
}

const states = {
  stopped: 'Stopped.',
  starting: 'Starting …',
  holds: 'Has the datadir.',
  refused: 'Was refused: the other one has it.',
};

const cardOf = (name: string) => document.querySelector<HTMLElement>(`[data-process=${name}]`)!;

new EventSource('./processes/events').addEventListener('message', ({ data }: MessageEvent<string>) => {
  const { name, line, state, at } = JSON.parse(data) as Said;
  const shown = cardOf(name).querySelector<HTMLElement>('.state')!;
  shown.dataset.state = state;
  shown.textContent = states[state];
  const time = new Date(at).toISOString().slice(11, 23);
  const trace = byId('trace');
  trace.append(create('li', { 'data-of': name }, `${time} ${name}: ${line}`));
  trace.scrollTop = trace.scrollHeight;
});

for (const card of document.querySelectorAll<HTMLElement>('[data-process]')) {
  for (const button of card.querySelectorAll<HTMLButtonElement>('[data-do]')) {
    button.addEventListener('click', () => {
      const path = `./processes/${card.dataset.process}/${button.dataset.do}`;
      // Other sites cannot send this header here, so they can start and kill nothing.
      void fetch(path, { method: 'POST', headers: { 'X-Crosslock-Demo': '1' } });
    });
  }
}
