import { report } from './report.js';

self.onmessage = (event) => event.waitUntil(report().then((result) => event.source.postMessage(result)));
