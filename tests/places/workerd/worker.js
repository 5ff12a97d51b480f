import * as crosslock from 'crosslock';
import * as byUrl from 'crosslock/wasm-url';
import { scenario } from './scenario.js';

export default {
  async fetch() {
    return Response.json({ inlined: await scenario(crosslock), byUrl: await scenario(byUrl) });
  },
};
