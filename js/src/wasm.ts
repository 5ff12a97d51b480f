// By name, not as a whole: what is left out of the bundle includes another loader of the wasm, which
// bundlers would take at its word and copy the file for.
import { cancel, initSync, key, loss, lost, Manager, release, type Answer, type Crate, type TaskNumber } from '#wasm-glue';
import { compile } from '#wasm-source';
import { LockError, Rejected, unavailable } from './errors.js';
import { isCrate, ofThisRealm, onItsOwn, type Realm } from './realm.js';
import { readReason, stopListening } from './signal.js';

/** @internal The crate, compiled and ready. There is one before there is a guard. */
export let crate: Crate;

/**
 * The crate, if nobody awaits it any more, and so nobody is overtaken.
 *
 * @internal
 */
export function crateAtOnce(): Crate | undefined {
  return ofThisRealm().awaiting === 0 ? crate : undefined;
}

let ours: Promise<Crate> | undefined;

/**
 * Asks the crate when it is compiled and ready. It is loaded at the first call and never again, so that
 * importing the package does nothing.
 *
 * Those who wait for it go on in the order in which they began to, which is the order in which requests
 * reach the crate.
 *
 * @internal
 */
export async function withCrate<T>(ask: (from: Crate) => Promise<T>): Promise<T> {
  for (;;) {
    const realm = ofThisRealm();
    const loading = (realm.loading ??= ours = load(realm));
    let loaded: unknown;
    realm.awaiting++;
    try {
      loaded = await loading;
    } catch (error) {
      if (loading === ours) throw error;
      // Another copy has it from elsewhere, and could not; we may. (A copy forgets what failed.)
      if (realm.loading === loading) onItsOwn();
      continue;
    } finally {
      realm.awaiting--;
    }
    // No copy of this version put that there.
    if (!isCrate(loaded)) onItsOwn();
    else return ask((crate = loaded));
  }
}

function load(realm: Realm): Promise<Crate> {
  const loading = start().catch((error) => {
    // A page that was short of memory, or offline, may try again.
    realm.loading = undefined;
    throw error;
  });
  return loading;
}

async function start(): Promise<Crate> {
  if (typeof WebAssembly !== 'object') {
    throw unavailable('there is no WebAssembly here (an old browser, one in lockdown mode, or a compartment that was not given it)');
  }
  try {
    initSync({ module: await compile() });
    return { Manager, cancel, key, loss, lost, release };
  } catch (error) {
    if (error instanceof LockError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw unavailable(`WebAssembly could not be compiled; ${advice()} (${message})`, error);
  }
}

function advice(): string {
  const { navigator } = globalThis as { navigator?: { userAgent?: unknown } };
  return navigator?.userAgent === 'Cloudflare-Workers'
    ? 'Cloudflare Workers take it as a module only: bundle with the export condition "workerd", as Wrangler does'
    : "if the page has a Content-Security-Policy, it needs script-src 'wasm-unsafe-eval'";
}

/** @internal A question for the crate. */
export type Question<T> = (manager: Manager, answer: Answer<T>) => TaskNumber | undefined;

/**
 * The answer of the crate; what it is rejected with is for {@link fromCrate}.
 *
 * @internal
 */
export function answerTo<T>(manager: Manager, question: Question<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    question(manager, { resolve, reject: (failure) => reject(new Rejected(failure)) });
  });
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
  const before = readReason(signal);
  if (before) throw before.reason;

  const state: { aborted?: { reason: unknown } | undefined; task?: TaskNumber | undefined; isAnswered?: boolean } = {};
  let resolve!: (answer: T) => void;
  let reject!: (rejected: unknown) => void;
  const answered = new Promise<T>((...resolvers) => ([resolve, reject] = resolvers));
  const withdraw = () => {
    state.aborted ??= readReason(signal) ?? { reason: undefined };
    // The number of a task that has answered may be another's.
    if (!state.isAnswered && state.task !== undefined) crate.cancel(state.task);
    state.task = undefined;
    reject(state.aborted.reason);
  };
  try {
    // A signal may live as long as the application: no lock leaves a listener behind. It is added before
    // the question is asked, as a signal that is not the platform's may throw.
    signal.addEventListener('abort', withdraw);
    if (!state.aborted) {
      const asked = question(manager, {
        resolve(answer) {
          state.isAnswered = true;
          if (state.aborted) giveBack(answer);
          else resolve(answer);
        },
        reject(failure) {
          state.isAnswered = true;
          reject(new Rejected(failure));
        },
      });
      state.task = asked;
      // What the question called may have aborted it.
      if (state.aborted) withdraw();
    }
    const answer = await answered;
    // Also by a signal that kept its event from us.
    state.aborted ??= readReason(signal);
    if (!state.aborted) return answer;
    giveBack(answer);
  } catch (thrown) {
    state.aborted ??= readReason(signal);
    if (!state.aborted) throw thrown;
  } finally {
    stopListening(signal, withdraw);
  }
  throw state.aborted.reason;
}
