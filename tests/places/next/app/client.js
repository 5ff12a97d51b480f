'use client';

import * as crosslock from 'crosslock';
import { useEffect } from 'react';
import { scenario } from '../scenario.js';

export function Client({ server }) {
  useEffect(() => {
    globalThis.result ??= scenario(crosslock).then((client) => ({ server, client }));
  });
  return 'crosslock';
}
