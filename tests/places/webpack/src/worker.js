import * as crosslock from 'crosslock';
import { scenario } from '../scenario.js';

scenario(crosslock).then(postMessage, (error) => postMessage(String(error.stack)));
