import * as crosslock from 'crosslock';
import { native } from '../../../native.js';

export const dynamic = 'force-dynamic'; // by the server, not by the build

export async function GET() {
  return Response.json(await native(crosslock));
}
