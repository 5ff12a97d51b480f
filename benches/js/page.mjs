// A page or a web worker that does what it is told.

import { jobs } from './contexts.mjs';

globalThis.call = (job, argument) => jobs[job](argument);
