import * as crosslock from 'crosslock/wasm-url';
import { scenario } from './scenario.js';

globalThis.result = scenario(crosslock);
