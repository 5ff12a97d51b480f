// Promises of the platform's own. Whoever replaces the global class may throw where a promise is settled,
// and so lose a lock.

/** @internal The promise of what is done at once. */
export const done: Promise<void> = (async () => {})();

/** @internal The class of the promises that async functions give. */
export const NativePromise = done.constructor as PromiseConstructor;
