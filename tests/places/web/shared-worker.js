import { report } from './report.js';

onconnect = async ({ ports: [port] }) => port.postMessage(await report());
