import { report } from './report.js';

onmessage = (event) => event.waitUntil(report().then((result) => event.source.postMessage(result)));
