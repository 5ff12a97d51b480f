import { keyspace } from '../keyspace.js';

export const dynamic = 'force-dynamic'; // by the server, not by the build

export default async function Page() {
  return `server component: ${await keyspace()}`;
}
