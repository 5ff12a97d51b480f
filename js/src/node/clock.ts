// The clock of `../clock.ts`, with timers that know of threads.
//
// What another thread grants reaches us by a turn of the event loop, and so does a timer. After the loop
// was blocked both are due, and the timer may come first: so it looks for grants before it speaks. (One
// that comes after that look is passed on to the next in the queue, as if it had never been ours.)

import { startTimer as start } from '../clock.js';

/** @internal */
export { about, now, timer } from '../clock.js';

let look = () => {};

/** @internal Has `first` called before any timer calls back. */
export function beforeTimers(first: () => void): void {
  look = first;
}

/** @internal As in `../clock.ts`. */
export function startTimer(millis: number, callBack: () => void): () => void {
  let isOver = false;
  const end = start(millis, () => {
    look();
    if (!isOver) callBack();
  });
  return () => {
    isOver = true;
    end();
  };
}
