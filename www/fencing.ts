// The animation of a holder that was cut off: what a fencing token is for, in five steps.

import { byId } from './dom.js';

/** How long a step stays while it is played, in milliseconds: long enough to be read. */
const STEP = 2600;

export function startFencing(): void {
  const figure = byId('fencing');
  const steps = [...byId('fencing-steps').children] as HTMLElement[];
  const play = byId<HTMLButtonElement>('fencing-play');
  let step = 0;
  let playing: ReturnType<typeof setTimeout> | undefined;

  function show(next: number): void {
    step = next;
    figure.dataset.step = String(step);
    steps.forEach((item, index) => {
      item.dataset.past = String(index < step);
      if (index === step - 1) item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
    });
    byId('newest').textContent = step === 0 ? '–' : step < 3 ? '33' : '34';
  }

  function stop(): void {
    clearTimeout(playing);
    playing = undefined;
    play.textContent = 'Play';
  }

  function goOn(): void {
    show(step % steps.length === 0 ? 1 : step + 1);
    if (step === steps.length) return stop();
    playing = setTimeout(goOn, STEP);
  }

  play.addEventListener('click', () => {
    if (playing) return stop();
    play.textContent = 'Stop';
    goOn();
  });
  byId('fencing-next').addEventListener('click', () => {
    stop();
    show((step % steps.length) + 1);
  });
  show(0);
}
