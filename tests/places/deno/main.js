import * as crosslock from 'crosslock';
import { scenario } from './scenario.js';

const refusal = await crosslock.platformDefault().then(
  () => null,
  (error) => error.message,
);
console.log(JSON.stringify({ ...(await scenario(crosslock)), refusal }));
