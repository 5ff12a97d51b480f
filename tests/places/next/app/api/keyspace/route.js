import { keyspace } from '../../keyspace.js';

export const dynamic = 'force-dynamic'; // by the server, not by the build

export async function GET(request) {
  return Response.json(await keyspace(new URL(request.url).searchParams.get('action')));
}
