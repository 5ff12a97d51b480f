'use client';

import * as crosslock from 'crosslock';
import * as byUrl from 'crosslock/wasm-url';
import { useEffect } from 'react';
import { scenario } from '../scenario.js';

export function Client({ server }) {
  useEffect(() => {
    globalThis.result ??= everywhere(server);
  });
  return 'crosslock';
}

async function everywhere(server) {
  return { server, client: await scenario(crosslock), fromUrl: await scenario(byUrl) };
}
