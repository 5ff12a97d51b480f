// By name, not as a whole: what is left out of the bundle includes another loader of the wasm, which
// bundlers would take at its word and copy the file for.
import { cancel, initSync, Manager, type Answer, type TaskNumber } from '#wasm-glue';
import { compile } from '#wasm-source';
import { fromCrate, LockError, throwIfAborted, unavailable } from './errors.js';

let loading: Promise<typeof Manager> | undefined;

/**
 * The crate, compiled and ready. Loaded at the first call and never again, so that importing the
 * package does nothing.
 *
 * Every operation awaits it, even when it is there already: requests reach the crate in the order
 * in which they were made.
 *
 * @internal
 */
export function crate(): Promise<typeof Manager> {
  loading ??= load().catch((error) => {
    // A page that was short of memory, or offline, may try again.
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<typeof Manager> {
  if (typeof WebAssembly !== 'object') {
    throw unavailable('there is no WebAssembly here (an old browser, or one in lockdown mode)');
  }
  try {
    initSync({ module: await compile() });
    return Manager;
  } catch (error) {
    if (error instanceof LockError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw unavailable(
      `WebAssembly could not be compiled; if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval' (${message})`,
      error,
    );
  }
}

/** @internal A question for the crate. */
export type Question<T> = (answer: Answer<T>) => TaskNumber | undefined;

/** @internal The answer of the crate. */
export async function answerTo<T>(question: Question<T>): Promise<T> {
  try {
    return await new Promise<T>((resolve, reject) => question({ resolve, reject }));
  } catch (thrown) {
    throw fromCrate(thrown);
  }
}

/**
 * The answer of the crate, unless `signal` is aborted before it is handed out. Then the question is
 * withdrawn, or its answer goes to `giveBack`, and the signal's reason is thrown.
 *
 * @internal
 */
export async function unlessAborted<T>(
  signal: AbortSignal,
  question: Question<T>,
  giveBack: (answer: T) => void,
): Promise<T> {
  throwIfAborted(signal);
  let task: TaskNumber | undefined;
  let withdraw!: () => void;
  const answered = new Promise<T>((resolve, reject) => {
    // The number of a task that has answered may be another's.
    const unlessWithdrawn =
      <A>(settle: (answer: A) => void) =>
      (answer: A) => {
        task = undefined;
        settle(answer);
      };
    task = question({ resolve: unlessWithdrawn(resolve), reject: unlessWithdrawn(reject) });
    withdraw = () => {
      if (task !== undefined) cancel(task);
      task = undefined;
      reject();
    };
  });
  // A signal may live as long as the application: no lock leaves a listener behind.
  signal.addEventListener('abort', withdraw);
  try {
    const answer = await answered;
    if (signal.aborted) giveBack(answer);
    throwIfAborted(signal);
    return answer;
  } catch (thrown) {
    throwIfAborted(signal);
    throw fromCrate(thrown);
  } finally {
    signal.removeEventListener('abort', withdraw);
  }
}
