import * as crosslock from 'crosslock';
import { scenario } from '../../scenario.js';

export const dynamic = 'force-dynamic'; // by the server, not by the build

export async function GET() {
  return Response.json(await scenario(crosslock));
}
