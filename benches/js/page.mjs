// A page or a web worker that does what it is told.

import { jobs } from './contexts.mjs';

globalThis.call = (job, argument) => jobs[job](argument);

// A worker has to say when it can be called; a page is loaded.
if (!globalThis.document) postMessage('ready');
