import * as crosslock from 'crosslock';
import * as byUrl from 'crosslock/wasm-url';
import { scenario } from './scenario.js';

async function everywhere() {
  const page = await scenario(crosslock);
  const fromUrl = await scenario(byUrl);
  return { page, fromUrl, worker: await inWorker() };
}

function inWorker() {
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
}

globalThis.result = everywhere();
