import * as crosslock from 'crosslock';
import { scenario } from '../scenario.js';
import { Client } from './client.js';

export const dynamic = 'force-dynamic'; // by the server, not by the build

export default async function Page() {
  return <Client server={await scenario(crosslock)} />;
}
