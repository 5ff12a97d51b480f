import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

globalThis.result = scenario(crosslock);
