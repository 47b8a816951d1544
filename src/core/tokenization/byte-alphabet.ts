/** @file The 256 characters in which byte-level vocabularies write bytes. */

/** Bytes that are written as the character of the same number; the others follow from 256 on. */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

const characters: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

const bytes: ReadonlyMap<string, number> = new Map(characters.map((character, byte) => [character, byte]));

const utf8 = new TextEncoder();

/** The bytes of a text in UTF-8, a character each. */
export function toByteCharacters(text: string): string {
  let written = "";
  for (const byte of utf8.encode(text)) written += characters[byte]!;
  return written;
}

/** The bytes that a token stands for: those of its characters, or if one of them is none, those of its own text. */
export function fromByteCharacters(token: string): Iterable<number> {
  const found: number[] = [];
  for (const character of token) {
    const byte = bytes.get(character);
    if (byte === undefined) return utf8.encode(token);
    found.push(byte);
  }
  return found;
}
