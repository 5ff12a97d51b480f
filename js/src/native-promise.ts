// The platform's own promises. A class that has replaced the global one may throw when a promise is resolved, and
// so lose a lock.

/** @internal A promise that is resolved. */
export const done: Promise<void> = (async () => {})();

/** @internal The class of the promises that async functions return. */
export const NativePromise = done.constructor as PromiseConstructor;
