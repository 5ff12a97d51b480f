import * as crosslock from 'crosslock';
import * as byUrl from 'crosslock/wasm-url';
import { scenario } from './scenario.js';

export default {
  async test() {
    console.log(JSON.stringify({ inlined: await scenario(crosslock), byUrl: await scenario(byUrl) }));
  },
};
