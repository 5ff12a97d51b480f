import { WebLockManager } from './node_modules/crosslock/index.js';
import { report } from './report.js';

async function everywhere() {
  await new WebLockManager().lock('page', { timeout: 0 });
  return {
    page: await report(),
    dedicatedWorker: await fromDedicatedWorker(),
    sharedWorker: await fromSharedWorker(),
    serviceWorker: await fromServiceWorker(),
  };
}

function fromDedicatedWorker() {
  return answer(new Worker('dedicated-worker.js', { type: 'module' }));
}

function fromSharedWorker() {
  const worker = new SharedWorker('shared-worker.js', { type: 'module' });
  const answered = answer(worker.port);
  return Promise.race([answered, new Promise((_, reject) => (worker.onerror = reject))]);
}

async function fromServiceWorker() {
  await navigator.serviceWorker.register('service-worker.js', { type: 'module' });
  const answered = answer(navigator.serviceWorker);
  (await navigator.serviceWorker.ready).active.postMessage('report');
  return answered;
}

function answer(source) {
  return new Promise((resolve, reject) => {
    source.onmessage = ({ data }) => resolve(data);
    source.onerror = reject;
  });
}

globalThis.result = everywhere();
