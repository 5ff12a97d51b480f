// The questionnaire of the guide: two questions, and one line of code.

import { byId } from './dom.js';
import { type Answer, places } from './guide/backends.js';

const form = byId<HTMLFormElement>('questions');

/** A radio button with its label. */
function choice(name: string, value: string, label: string): HTMLElement {
  const element = document.createElement('label');
  element.className = 'choice';
  const input = Object.assign(document.createElement('input'), { type: 'radio', name, value });
  element.append(input, document.createElement('span'));
  element.lastElementChild!.textContent = label;
  return element;
}

function chosen(name: string): string | undefined {
  return form.querySelector<HTMLInputElement>(`input[name=${name}]:checked`)?.value;
}

function ask(): void {
  byId('place').append(...places.map(({ id, label }) => choice('place', id, label)));
  form.addEventListener('change', ({ target }) => {
    const place = places.find(({ id }) => id === chosen('place'));
    if ((target as HTMLInputElement).name === 'place' && place) {
      byId('reach').replaceChildren(...place.reaches.map(({ id, label }) => choice('reach', id, label)));
      byId('second').hidden = false;
    }
    show(place?.reaches.find(({ id }) => id === chosen('reach')));
  });
  form.addEventListener('submit', (event) => event.preventDefault());
}

function show(answer: Answer | undefined): void {
  byId('answer').hidden = !answer;
  if (!answer) return;
  byId('answer-code').textContent = answer.code;
  byId('answer-excludes').textContent = answer.excludes;
  byId('answer-note').textContent = answer.note;
  byId<HTMLAnchorElement>('answer-page').href = answer.page;
}

ask();
document.documentElement.dataset.ready = '';
