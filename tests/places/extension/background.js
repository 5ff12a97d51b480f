import * as crosslock from './node_modules/crosslock/index.js';
import { scenario } from './scenario.js';

globalThis.result = scenario(crosslock);
