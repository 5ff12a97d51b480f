// What Node, Bun, Deno and Electron have beside what browsers have. Looked up when it is used, so that an
// import changes nothing, and so that bundlers find no module to resolve.

/** @internal */
export interface Host {
  process?: {
    platform: string;
    arch: string;
    pid: number;
    type?: unknown;
    argv?: string[];
    cwd(): string;
    getBuiltinModule?(name: string): unknown;
  };
}

/** What Electron calls its pages and their workers, as in `../web.ts`. */
const PAGES_OF_ELECTRON: unknown[] = ['renderer', 'worker', 'service-worker'];

/** @internal Whether this is a page or a worker of one, which has a browser's locks: Electron can give those a `process`. */
export const isPage = (): boolean => {
  const { process } = globalThis as Host;
  return process === undefined || PAGES_OF_ELECTRON.includes(process.type);
};

interface Builtins {
  'node:buffer': { Buffer: { from(text: string, encoding: 'utf8' | 'utf16le'): Uint8Array; concat(parts: Uint8Array[]): Uint8Array } };
  'node:module': { createRequire(from: string): (name: string) => unknown };
  'node:path': { resolve(path: string): string; sep: string };
  'node:url': { fileURLToPath(url: URL): string };
  'node:util': { getSystemErrorName(errno: number): string };
  'node:worker_threads': { threadId: number };
}

/** @internal */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const found = (globalThis as Host).process?.getBuiltinModule?.(name);
  if (!found) throw new Error(`there is no ${name} here; the native half of crosslock needs Node 20.19 or later`);
  return found as Builtins[Name];
}
