// By name, not as a whole: what is left out of the bundle includes another loader of the wasm, which
// bundlers would take at its word and copy the file for.
import { cancel, initSync, Manager, type Answer, type TaskNumber } from '#wasm-glue';
import { compile } from '#wasm-source';
import { LockError, throwIfAborted, unavailable } from './errors.js';

let loading: Promise<typeof Manager> | undefined;
let ready: typeof Manager | undefined;
/** How many await it. */
let waiting = 0;

/**
 * Runs `use` with the crate, compiled and ready. It is loaded at the first call and never again, so
 * that importing the package does nothing.
 *
 * Those who await it go on in the order in which they began to, which is the order in which requests
 * reach the crate.
 *
 * @internal
 */
export function withCrate<T>(use: (from: typeof Manager) => Promise<T>): Promise<T> {
  loading ??= load().catch((error) => {
    // A page that was short of memory, or offline, may try again.
    loading = undefined;
    throw error;
  });
  waiting++;
  // Counted out in the very step that goes on: in between, another call would overtake it.
  return loading.then(
    (loaded) => {
      waiting--;
      return use((ready = loaded));
    },
    (error) => {
      waiting--;
      throw error;
    },
  );
}

/**
 * The crate, if nobody awaits it any more, and so nobody is overtaken.
 *
 * @internal
 */
export function crateAtOnce(): typeof Manager | undefined {
  return waiting === 0 ? ready : undefined;
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
export type Question<T> = (manager: Manager, answer: Answer<T>) => TaskNumber | undefined;

/**
 * The answer of the crate; what it is rejected with is for {@link fromCrate}.
 *
 * @internal
 */
export function answerTo<T>(manager: Manager, question: Question<T>): Promise<T> {
  return new Promise((resolve, reject) => void question(manager, { resolve, reject }));
}

/**
 * The answer of the crate, unless `signal` is aborted before it is handed out. Then the question is
 * withdrawn, or its answer goes to `giveBack`, and the signal's reason is thrown.
 *
 * @internal
 */
export async function unlessAborted<T>(
  signal: AbortSignal,
  manager: Manager,
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
    task = question(manager, { resolve: unlessWithdrawn(resolve), reject: unlessWithdrawn(reject) });
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
    throw thrown;
  } finally {
    signal.removeEventListener('abort', withdraw);
  }
}
