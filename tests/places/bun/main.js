import * as crosslock from 'crosslock';
import { native } from './native.js';
import { scenario } from './scenario.js';

const refusal = await new crosslock.WebLockManager().query().then(
  () => null,
  (error) => error.message,
);
console.log(JSON.stringify({ ...(await scenario(crosslock)), refusal, native: await native(crosslock) }));
