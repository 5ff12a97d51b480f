import { report } from './report.js';

postMessage(await report());
