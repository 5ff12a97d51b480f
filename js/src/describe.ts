/** @internal A value as it is shown in the message of an error. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  try {
    return String(value);
  } catch {
    return typeof value; // its conversion to text throws
  }
}

/** @internal Any value as text. */
export function text(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'what has no text';
  }
}
