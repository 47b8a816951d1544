/** @file Characters that a terminal obeys in place of showing them. */

/** All controls but the tab and the line break, and the marks that turn the direction of what is written after them. */
const obeyed = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * The text with the characters that a terminal would obey as JSON writes them, such as `\u001b`; JSON stays the same value.
 * Text from strangers (data, vocabularies, names in files, what a model writes) could otherwise move the cursor, rename the
 * window or reorder a line.
 */
export function showControls(text: string): string {
  return text.replace(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
