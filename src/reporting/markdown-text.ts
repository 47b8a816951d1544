/** @file Markdown from texts that mean nothing to it. */

/** Text in one line that means nothing to Markdown. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_<>|~$#]|\](?=[[(:])|&(?=[#\w]+;)/g, "\\$&").replace(/\s*[\r\n]+\s*/g, " ");
}

/** Text as it is, between fences that do not occur in it. */
export function fence(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = "`".repeat(Math.max(3, longest + 1));
  return `${ticks}text\n${text}\n${ticks}`;
}

/** A table of cells that are Markdown. */
export function markdownTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(headings), `|${" --- |".repeat(headings.length)}`, ...rows.map(line)].join("\n");
}

/** A list of items that are Markdown. */
export function bulletList(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}
