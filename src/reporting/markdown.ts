/** @file A report as Markdown: all that the page says, but for its charts. */

import { bulletList, escapeMarkdown } from "./markdown-text.ts";
import type { Report } from "./sections.ts";

export function renderMarkdown({ title, about, answer, sections }: Report): string {
  const shown = sections.flatMap(({ title, blocks }) => {
    const parts = blocks.flatMap(({ markdown }) => markdown ?? []);
    return parts.length > 0 ? [`## ${escapeMarkdown(title)}`, ...parts] : [];
  });
  const parts = [
    `# ${escapeMarkdown(title)}`,
    escapeMarkdown(about),
    bulletList(answer.map(escapeMarkdown)),
    ...shown,
  ];
  return `${parts.join("\n\n")}\n`;
}
