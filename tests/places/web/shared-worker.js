import { report } from './report.js';

self.onconnect = async ({ ports: [port] }) => port.postMessage(await report());
