// The picture of a round: what each tab read and wrote, and when.

import { create, chip, duration, sats } from './dom.js';
import type { Part, Result } from './round.js';

/** Draws a round in place of the last one. */
export function drawRace(place: HTMLElement, { parts, started, locked }: Result): void {
  const order = [...parts].sort((a, b) => (a.read?.at ?? a.ended) - (b.read?.at ?? b.ended));
  const span = Math.max(...parts.map(({ ended }) => ended - started), 1);
  const percent = (time: number) => `${Math.max(0, ((time - started) / span) * 100).toFixed(2)}%`;
  const lane = ({ name, read, wrote, ended, problem }: Part) =>
    create(
      'div',
      { class: 'lane', 'data-tab': name, 'data-read': read?.balance, 'data-wrote': wrote?.balance },
      chip(name),
      create(
        'div',
        { class: 'track' },
        locked && create('span', { class: 'waits', style: `left:0;width:${percent(read?.at ?? ended)}` }),
        read &&
          create('span', {
            class: 'holds',
            style: `left:${percent(read.at)};right:calc(100% - ${percent(wrote?.at ?? ended)})`,
          }),
      ),
      create(
        'p',
        { class: 'figures' },
        wrote ? `read ${sats(read!.balance)}, wrote ${sats(wrote.balance)}` : (problem ?? 'did not answer'),
      ),
    );
  place.replaceChildren(
    ...order.map(lane),
    create('p', { class: 'axis' }, create('span', {}, '0'), create('span', {}, duration(span))),
  );
  place.dataset.locked = String(locked);
}

/** A round in one sentence. */
export function summary({ parts, before, after, locked }: Result): string {
  const paid = parts.filter(({ wrote }) => wrote).length;
  const refused = parts.length - paid;
  const lost = after.lost - before.lost;
  const sent = `${paid} ${paid === 1 ? 'payment' : 'payments'} sent, ${sats(after.paid - before.paid)} sats.`;
  const books = `The balance fell by ${sats(before.balance - after.balance)}.`;
  const notPaid =
    refused > 0 ? ` ${refused} not made: ${parts.find(({ problem }) => problem)?.problem}.` : '';
  const loss = lost === 0 ? 'Nothing was spent twice.' : `${sats(lost)} sats were spent twice.`;
  const advice = lost > 0 && !locked ? ' Now pay under the lock.' : '';
  return `${sent} ${books} ${loss}${notPaid}${advice}`;
}
