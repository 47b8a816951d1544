/** @file What a report is made of: sections of blocks, each of which is said once for the page and for Markdown. */

import type { Chart, KeyEntry } from "./charts.ts";
import { type Html, html } from "./html.ts";
import { bulletList, escapeMarkdown, fence, markdownTable } from "./markdown-text.ts";

export interface Report {
  readonly title: string;
  /** What it is about, in a line. */
  readonly about: string;
  /** What was found, in sentences. */
  readonly answer: readonly string[];
  readonly sections: readonly Section[];
  /** A `<style>` for pictures that this report alone has. */
  readonly style?: Html;
}

/** A section is left out of the page, or of the Markdown, if it has nothing for it. */
export interface Section {
  /** Its anchor on the page. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A part of a section. The page has no block without `html`, the Markdown none without `markdown`. */
export interface Block {
  readonly html?: Html;
  readonly markdown?: string;
}

export interface Table {
  /** The first column names the rows. */
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Whether the cells but the first of each row are numbers. */
  readonly numeric: boolean;
}

export function onPage(content: Html): Block {
  return { html: content };
}

export function inMarkdown(markdown: string): Block {
  return { markdown };
}

export function paragraph(text: string): Block {
  return { html: html`<p>${text}</p>`, markdown: escapeMarkdown(text) };
}

/** A paragraph in small print. */
export function note(text: string): Block {
  return { html: html`<p class="note">${text}</p>`, markdown: escapeMarkdown(text) };
}

export function list(items: readonly string[]): Block {
  return {
    html: html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`,
    markdown: bulletList(items.map(escapeMarkdown)),
  };
}

/** Text as it was written or is to be copied. */
export function code(text: string): Block {
  return { html: html`<pre>${text}</pre>`, markdown: fence(text) };
}

export function table(content: Table): Block {
  return {
    html: htmlTable(content),
    markdown: markdownTable(
      content.headings.map(escapeMarkdown),
      content.rows.map((row) => row.map(escapeMarkdown)),
    ),
  };
}

/** Blocks beside each other where the page is wide enough. */
export function columns(...blocks: readonly Block[]): Block {
  return {
    html: html`<div class="columns">${blocks.flatMap((block) => block.html ?? [])}</div>`,
    markdown: blocks.flatMap(({ markdown }) => markdown ?? []).join("\n\n"),
  };
}

/** What the charts' shapes, colours and lines stand for; for the page alone, as are charts. */
export function key(entries: readonly KeyEntry[]): Block {
  return onPage(html`<ul class="key">${entries.map(({ label, svg }) => html`<li>${svg}${label}</li>`)}</ul>`);
}

/** @param captions one for each chart that has one, in their order */
export function figures(charts: readonly Chart[], captions: readonly string[] = []): Block {
  return onPage(
    html`<div class="figures">${charts.map(
      (
        { title, svg },
        i,
      ) => html`<figure><h3>${title}</h3>${svg}${captions[i] && html`<figcaption>${captions[i]}</figcaption>`}</figure>
`,
    )}</div>`,
  );
}

/** Columns that a phone shows beside each other. */
const wideColumns = 3;

function htmlTable({ headings, rows, numeric }: Table): Html {
  const isWide = headings.length > wideColumns;
  return html`<div class="scroll${isWide ? " wide" : ""}" role="region" aria-label="${headings[0]}" tabindex="0"><table class="${numeric ? "numeric" : ""}">
<thead><tr>${headings.map((heading) => html`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([
    first,
    ...rest
  ]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
)}</tbody>
</table></div>`;
}
