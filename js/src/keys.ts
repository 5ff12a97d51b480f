/**
 * The bytes of a key as UTF-8, as far as the rules look at them: of what is not ASCII there is no more than
 * the number.
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
