/**
 * The bytes of a key in UTF-8, for the rules. Bytes of characters that are not ASCII are all 0xff: the rules only
 * count them.
 *
 * @internal
 */
export function keyOf(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    const length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let i = 0; i < length; i++) bytes.push(length > 1 ? 0xff : code);
  }
  return bytes;
}
