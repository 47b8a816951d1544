/** @file The page's style: for screens of any width and for paper. */

import { html } from "./html.ts";

// Blue and orange stay apart under any common colour blindness; the end colours leave black text readable.
export const pageStyle = html`<style>
:root {
  --ink: #1b1b1b; --quiet: #5c5c5c; --line: #dcdcdc; --faint: #f6f6f4;
  --better: #6fb1e4; --worse: #f2a45c;
  color-scheme: light;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem;
  color: var(--ink); background: white;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 0 0 .75rem; font-size: 1.3rem; line-height: 1.3; }
h3 { margin: 0 0 .35rem; font-size: 1rem; }
h4 { margin: 0 0 .25rem; font-size: .85rem; font-weight: 600; color: var(--quiet); }
p, ul { margin: 0 0 .9rem; max-width: 46rem; }
ul { padding-left: 1.2rem; }
section { margin-top: 2.75rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
small { display: block; font-size: .75rem; line-height: 1.35; font-weight: 400; color: var(--quiet); }
.about, .note, figcaption { color: var(--quiet); font-size: .875rem; }
.note { margin: .6rem 0; }
.answer { margin: 1.25rem 0; max-width: 52rem; font-size: 1.0625rem; line-height: 1.6; }
.answer li { margin-bottom: .4rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .9rem; }
a { color: #0b5a97; text-decoration-thickness: 1px; text-underline-offset: .2em; }

/* A shadow at the edge beyond which there is more: the white ones move with the table and cover it at its ends. */
.scroll {
  overflow-x: auto; margin: 0 0 1rem; -webkit-overflow-scrolling: touch;
  background: linear-gradient(to right, white 60%, transparent) left / 2.5rem 100% no-repeat local,
    linear-gradient(to left, white 60%, transparent) right / 2.5rem 100% no-repeat local,
    linear-gradient(to right, rgb(0 0 0 / .22), transparent) left / .9rem 100% no-repeat scroll,
    linear-gradient(to left, rgb(0 0 0 / .22), transparent) right / .9rem 100% no-repeat scroll;
}
table { border-collapse: collapse; font-size: .875rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child { padding-left: 0; }
td:last-child, th:last-child { padding-right: 0; }
th { font-weight: 600; }
thead th { vertical-align: bottom; color: var(--quiet); font-weight: 500; border-bottom-color: #9a9a9a; }
tbody th { font-weight: 500; }
td { min-width: 4.5rem; }
.numeric td, .numeric thead th:not(:first-child) { text-align: right; }
.numeric th:first-child { position: sticky; left: 0; background: white; }
.numeric :is(th, td), .gains tbody :is(th, td) { white-space: nowrap; }

.gains { border-collapse: separate; border-spacing: 3px; margin-left: -3px; }
.gains th, .gains td { border: 0; padding: .45rem .6rem; }
.gains thead th:first-child, .gains [scope="rowgroup"] { padding-left: 0; }
.gains thead b { color: var(--ink); font-weight: 600; }
.gains thead th { vertical-align: top; }
.gains thead th:nth-child(-n + 2) { vertical-align: bottom; }
.gains thead small b { font-size: .8125rem; }
.gains td { text-align: center; vertical-align: middle; }
.gains td small { color: #333; }
.gains td b { font-weight: 600; font-size: .95rem; }
.gains thead th:nth-child(n + 3) { width: 8.6rem; text-align: center; }
.gains tbody th { vertical-align: middle; }
.gains .first > * { border-top: 1px solid var(--line); }
.better { background: var(--better); }
.worse { background: var(--worse); }
.aligned { outline: 2px solid var(--ink); outline-offset: -1px; }
.missing { color: var(--quiet); font-size: .8rem; }
td.missing[colspan] { background: var(--faint); }

.key { max-width: none; display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; padding: 0; list-style: none; font-size: .875rem; }
.key li { display: flex; align-items: center; gap: .45rem; }
.swatch { width: 1.9rem; height: 1.15rem; font-size: .75rem; line-height: 1.15rem; text-align: center; }
.swatch:not(.aligned) { border: 1px solid #bbb; line-height: 1rem; }
.key svg { flex: none; overflow: hidden; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1.5rem 1.75rem; margin: 1rem 0 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { margin-top: .6rem; }
figure svg { display: block; max-width: 100%; height: auto; }

details { border-bottom: 1px solid var(--line); }
summary { padding: .6rem 0; cursor: pointer; }
article { margin: .5rem 0 1.5rem; padding: 1rem 1.1rem; background: var(--faint); border-radius: 4px; }
article p { margin: .6rem 0; }
pre, code { font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 0; padding: .6rem .75rem; white-space: pre-wrap; overflow-wrap: anywhere; background: white; border: 1px solid var(--line); border-radius: 3px; }
#provenance > pre { display: inline-block; max-width: 100%; margin-bottom: 1.25rem; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); gap: .9rem; }
.answers > div { min-width: 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 2rem; }
#provenance table { font-size: .8125rem; }

@media (max-width: 40rem) {
  body { padding-top: 1.5rem; }
  h1 { font-size: 1.5rem; }
  .answer { font-size: 1.05rem; }
  .wide::before {
    content: "Swipe sideways for more columns →"; display: block; position: sticky; left: 0; width: max-content;
    margin-bottom: .3rem; color: var(--quiet); font-size: .8125rem;
  }
}
@media print {
  @page { margin: 14mm; }
  html { font-size: 11.5px; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav { display: none; }
  .answer { font-size: 11pt; }
  section { margin-top: 1.5rem; padding-top: 1rem; }
  .scroll { overflow: visible; background: none; }
  th, td { padding: .25rem .6rem; }
  .gains :is(th, td) { padding: .3rem .35rem; }
  .gains thead th:nth-child(n + 3) { width: auto; }
  .numeric thead th { white-space: normal; }
  p { max-width: none; }
  h2, h3, summary, thead, section > p, .key { break-after: avoid; }
  section > p, figure, article, table { break-inside: avoid; }
  .figures { grid-template-columns: repeat(2, 1fr); }
}
</style>`;
