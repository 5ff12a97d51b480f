// A snapshot: what `navigator.locks.query()` tells of other contexts, and what this one knows of itself. The
// browser does not know the tasks that share one grant, those that wait in a local queue behind the one that it
// has a request of, and what has changed since it answered.

import { RequestFlag, type Client, type Own, type Space } from './client.js';
import { now } from './clock.js';
import { unavailable } from './errors.js';
import { platformLocks, read, whyFailed } from './host.js';
import { anObject } from './platform-grants.js';
import { Call, Failed } from './call.js';
import { ifFree } from './waits.js';
import type { LockMode } from './options.js';

/** @internal A request, as far as it is known. */
export interface Known {
  key: string;
  mode: LockMode;
  age?: number | undefined;
  client?: string | undefined;
  label?: string | undefined;
}

/** @internal */
export interface Snapshot {
  held: Known[];
  pending: Known[];
}

/**
 * The requests for the locks of a space. Those of other contexts are as of the time when the browser answered.
 * Those of this one are as of the time when the caller is told: it must not be told of a lock that it has
 * released since.
 *
 * @internal
 */
export async function query(client: Client, space: Space): Promise<Snapshot> {
  const shown = ({ request, key, mode, since }: Own, by?: string): Known => ({
    key,
    mode,
    age: Math.max(0, now() - since),
    client: by,
    label: client.labelOf(request),
  });
  if (space.prefix === undefined) {
    const own = client.own(space);
    const part = (isHeld: boolean) => own.filter((request) => request.isHeld === isHeld).map((request) => shown(request));
    return { held: part(true), pending: part(false) };
  }
  let by = client.sent(space).length ? await ownClient(client, space) : undefined;
  // Both at the same time. Messages to the browser keep their order, so it answers as of the time when it was
  // asked.
  const sent = client.sent(space);
  const answer = await queryBrowser(client, space.prefix);
  if (by === undefined && client.own(space).length) by = await ownClient(client, space);
  const own = client.own(space).sort((a, b) => a.since - b.since);
  const waiting = own.filter(({ isHeld }) => !isHeld);

  // Another copy of this package in the same page is the same client to the browser, and its requests must not be
  // left out. So each request is matched once.
  const take = (found: Known, isHeld: boolean): boolean => {
    if (found.client === undefined || found.client !== by) return false;
    const fits = (request: Own) => request.key === found.key && request.mode === found.mode;
    let at = isHeld ? sent.findIndex((request) => request.isHeld && fits(request)) : -1;
    if (at < 0) at = sent.findIndex((request) => !request.isHeld && fits(request));
    if (at >= 0) sent.splice(at, 1);
    return at >= 0;
  };
  const pending: Known[] = [];
  const next = (key: string, isSent: boolean): boolean => {
    const at = waiting.findIndex((request) => request.key === key);
    if (at < 0 || (!isSent && (waiting[at] as Own).isSent)) return false;
    pending.push(...waiting.splice(at, 1).map((request) => shown(request, by)));
    return true;
  };
  // Pending ones first: those that were not granted yet when the browser answered are among them.
  for (const found of answer.pending) {
    if (!take(found, false)) pending.push(found);
    // One of ours that the browser knew, and behind it those that it does not know.
    else if (next(found.key, true)) while (next(found.key, false));
  }
  while (waiting[0]) next(waiting[0].key, true);
  const held = own.filter(({ isHeld }) => isHeld).map((request) => shown(request, by));
  held.push(...answer.held.filter((found) => !take(found, true)));
  return { held, pending };
}

let known: string | undefined;

/**
 * The browser's id of this page, worker or thread. No call tells it. So the browser is asked who holds a lock that
 * we hold exclusively. If there is none, one is taken for this purpose, which others can see for a short time.
 *
 * @internal
 */
export async function ownClient(client: Client, space: Space): Promise<string | undefined> {
  const held = () => client.own(space).find(({ isHeld, mode }) => isHeld && mode === 'exclusive');
  const ours = known === undefined && space.prefix !== undefined ? held() : undefined;
  if (ours) {
    const { held: all } = await queryBrowser(client, space.prefix as string);
    const now = held();
    // If one request has held the lock from before the query until after the answer, the answer was about it.
    if (now?.since === ours.since && now.key === ours.key) known = all.find(({ key }) => key === ours.key)?.client;
  }
  if (known !== undefined) return known;
  // No lock of a manager can have this name, and no manager shows it.
  const prefix = 'crosslock:client?';
  const key = `${Math.floor(Math.random() * 2 ** 32)}`;
  const call = new Call(client, undefined);
  try {
    await ifFree(call, { queue: client.ownQueue(prefix + key), flags: RequestFlag.Alone, label: undefined });
    const { held: all } = await queryBrowser(client, prefix);
    return (known = all.find((found) => found.key === key)?.client);
  } finally {
    call.end(undefined);
  }
}

/** The browser's answer, about the locks whose names begin with `prefix`. */
async function queryBrowser(client: Client, prefix: string): Promise<Snapshot> {
  let answer: Partial<LockManagerSnapshot>;
  try {
    answer = Object(await anObject('navigator.locks.query()', platformLocks().query()));
  } catch (thrown) {
    const why = typeof thrown === 'string' ? thrown : whyFailed(thrown);
    throw new Failed(() => unavailable(why));
  }
  const all = (list: unknown): Known[] => {
    if (!Array.isArray(list)) throw new Failed(() => unavailable('navigator.locks.query() answered without the arrays held and pending'));
    return list.flatMap((info) => read(() => describe(client, prefix, info)) ?? []);
  };
  return { held: all(read(() => answer.held)), pending: all(read(() => answer.pending)) };
}

/** An entry of the browser's snapshot, if its name begins with `prefix`. */
function describe(client: Client, prefix: string, { name, mode, clientId }: LockInfo): Known[] {
  if (typeof name !== 'string' || typeof mode !== 'string' || !name.startsWith(prefix)) return [];
  const key = name.slice(prefix.length);
  // A prefix may be the start of another prefix, and of names whose rest is not a key.
  if (client.brokenRule(key)) return [];
  const by = typeof clientId === 'string' ? clientId : undefined;
  return [{ key, mode: mode === 'shared' ? 'shared' : 'exclusive', client: by }];
}
