/** @internal The bytes that tools/shrink.mjs has encoded as text. */
export function decode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(JSON.parse(`[${text}]`));
}
