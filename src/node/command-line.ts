/** @file Commands of slimtune as a person types them. */

/** "slimtune" and the words, as a shell reads them. */
export function renderCommand(words: readonly string[]): string {
  return ["slimtune", ...words.map(quoteWord)].join(" ");
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
