/** @file A report as one page of HTML that needs no network, no script and no other file. */

import { html } from "./html.ts";
import { pageStyle } from "./page-style.ts";
import type { Report } from "./sections.ts";

/** The page of a report, whose texts are escaped. */
export function renderPage({ title, about, answer, sections, style }: Report): string {
  const shown = sections.flatMap(({ blocks, ...section }) => {
    const parts = blocks.flatMap((block) => block.html ?? []);
    return parts.length > 0 ? [{ ...section, parts }] : [];
  });
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
${pageStyle}${style}
</head>
<body>
<header>
<h1>${title}</h1>
<p class="about">${about}</p>
<ul class="answer">${answer.map((part) => html`<li>${part}</li>`)}</ul>
<nav>${shown.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
</header>
<main>
${shown.map(
  ({ id, title, parts }) => html`<section id="${id}">
<h2>${title}</h2>
${parts.map((part) => html`${part}\n`)}</section>
`,
)}</main>
</body>
</html>
`.text;
}
