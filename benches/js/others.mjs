// What is compared on some platforms alone.

/**
 * @type {{ keyed?: () => import('./keyed.mjs').Keyed, web?: () => import('./web.mjs').Web }}
 */
export const others = {};

/** The contestant, in a list, if there is one here. */
export const ifAny = (make) => (make ? [make()] : []);
