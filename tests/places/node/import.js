import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

console.log(JSON.stringify(await scenario(crosslock)));
