/** @file HTML from template literals in which every value is escaped. */

/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: text is escaped, parts follow each other, and undefined is nothing. */
export type HtmlPart = Html | string | number | undefined | readonly HtmlPart[];

/** The template's HTML with its values escaped, for elements' content and for attributes in double quotes. */
export function html(template: TemplateStringsArray, ...values: readonly HtmlPart[]): Html {
  return new Html(template.reduce((text, piece, i) => text + render(values[i - 1]) + piece));
}

function render(part: HtmlPart): string {
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(render).join("");
  return escapeHtml(String(part ?? ""));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A text that {@link html} has escaped, as it was. */
export function decodeHtml(escaped: string): string {
  return Object.entries(entities).reduceRight(
    (text, [character, entity]) => text.replaceAll(entity, character),
    escaped,
  );
}
