// For Node, bundled.

import * as crosslock from 'crosslock';
import { native } from './native.js';

native(crosslock).then((result) => console.log(JSON.stringify(result)));
