// A thread of Node that does what it is told.

import { parentPort } from 'node:worker_threads';
import './addon.mjs';
import { jobs } from './contexts.mjs';

parentPort.on('message', async ({ job, argument }) => parentPort.postMessage(await jobs[job](argument)));
