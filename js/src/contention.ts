// Who is in the way of a request that timed out: a task of this context, as the rules know, or somebody
// else, as the platform tells.

import type { Client, Queue, Space } from './client.js';
import { now } from './clock.js';
import type { RequestNumber } from './core.js';
import { MAX_AHEAD, type Contention } from './messages.js';
import { ownClient, query } from './web-query.js';

/** @internal If a task of this context is in the way: who holds the lock, for how long, and how many wait in front. */
export function contentionHere(client: Client, request: RequestNumber): Contention | undefined {
  const ahead = client.ahead(request, MAX_AHEAD);
  return ahead && { holder: client.labelOf(ahead.holder), heldFor: now() - ahead.since, ahead: ahead.waiting };
}

/** @internal Who holds the lock, by the platform. A query that fails must not hide the timeout that it is for. */
export async function contentionElsewhere(client: Client, queue: Queue): Promise<Contention | undefined> {
  try {
    const { held } = await query(client, queue.space);
    const holder = held.find(({ key }) => key === queue.key);
    return holder && { holder: named(holder.client), heldFor: holder.age };
  } catch {
    return undefined;
  }
}

/** @internal The name of this context as the holder of a lock of the platform. */
export const ownName = async (client: Client, space: Space) => named(await ownClient(client, space).catch(() => undefined));

const named = (client: string | undefined) => (client === undefined ? undefined : `client ${client}`);
