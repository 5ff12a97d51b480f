import { keyspace } from '../../app/keyspace.js';

export default async function handler(request, response) {
  response.json(await keyspace(request.query.action));
}
