// Where the symbols are missing, code compiled for them uses these names instead, and so do
// polyfills (core-js, esbuild, Babel).

export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

export const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose');
