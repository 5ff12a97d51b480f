/** @internal The bytes that tools/shrink.mjs has written as text. */
export function decode(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  let page = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 123) {
      page = (code - 123) * 86;
    } else {
      bytes[length++] = page + code - (code > 92 ? 38 : 37);
      page = 0;
    }
  }
  return bytes.subarray(0, length);
}
