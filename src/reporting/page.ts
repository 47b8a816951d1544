/** @file The report as one page of HTML that needs no network, no script and no other file. */

import type { AlignmentScore } from "../studies/results.ts";
import { answer, describeAlignment, describeCost, describeDivergence } from "./answer.ts";
import {
  alignmentCharts,
  type Chart,
  costCharts,
  type KeyEntry,
  lineKey,
  lossCharts,
  markKey,
} from "./charts.ts";
import { gainMatrix } from "./gain-matrix.ts";
import { type Html, html } from "./html.ts";
import { pageStyle } from "./page-style.ts";
import { recommend } from "./recommend.ts";
import type { FinishedCell, Study } from "./study-rows.ts";
import {
  alignmentScores,
  alignmentTable,
  costTable,
  dataTable,
  failureTable,
  hashTable,
  lossTable,
  machineTable,
  quantityTable,
  recommendationTable,
  settingsTable,
  type Table,
  taskTable,
} from "./tables.ts";
import {
  countFlips,
  describeModel,
  describePrediction,
  endOfPrompt,
  quantityNote,
  readingNotes,
  titleOf,
} from "./wording.ts";

interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

/** The page of a study. All texts from models, data and the machine are escaped. */
export function renderPage(study: Study): string {
  const title = titleOf(study);
  const sections = [
    gains(study),
    methods(study),
    costs(study),
    losses(study),
    alignment(study),
    efficiency(study),
    answers(study),
    failures(study),
    limits(study),
    provenance(study),
  ].filter((section) => section !== undefined);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
${pageStyle}
</head>
<body>
<header>
<h1>${title}</h1>
<p class="about">${describeModel(study)}</p>
<ul class="answer">${answer(study).map((part) => html`<li>${part}</li>`)}</ul>
<nav>${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
</header>
<main>
${sections.map(
  ({ id, title, content }) => html`<section id="${id}">
<h2>${title}</h2>
${content}
</section>
`,
)}</main>
</body>
</html>
`.text;
}

function gains(study: Study): Section {
  const outlined = study.tasks.some(({ alignedData }) => alignedData.length > 0);
  return {
    id: "gains",
    title: "Gained and kept",
    content: html`<p>Change of each score from the base model, in points (hundredths of the score) where scores have them, with its 95 % interval.</p>
<ul class="key">
<li><span class="swatch better">▲</span>shown to be better</li>
<li><span class="swatch worse">▼</span>shown to be worse</li>
<li><span class="swatch"></span>neither colour nor mark: no difference shown</li>
${outlined ? html`<li><span class="swatch aligned"></span>the data were meant for the task</li>` : undefined}
</ul>
${gainMatrix(study)}
${[...describeDivergence(study), ...readingNotes(study)].map((note) => html`<p class="note">${note}</p>`)}`,
  };
}

function methods(study: Study): Section | undefined {
  if (study.results.kind !== "methods") return undefined;
  const recommendations = recommend(study);
  return {
    id: "methods",
    title: "Which method",
    content: html`${table(recommendationTable(recommendations))}
<p class="note">Scores and retention are mean changes from the base model with 95 % intervals. Two methods differ in them if the interval of their difference leaves out zero; it is taken from both intervals as if they were independent, which is too wide for answers to the same items. Two methods differ in memory or time if one needs less in every run with the same data and seed. ${recommendations.leftOut.join(" ")}</p>
${table(quantityTable(study))}
<p class="note">${quantityNote}</p>`,
  };
}

function costs(study: Study): Section | undefined {
  const charts = costCharts(study);
  if (charts.length === 0) return undefined;
  return {
    id: "costs",
    title: "Score against cost",
    content: html`<p>Mean score over ${study.targets.join(", ")}, as its difference from the base model’s, with 95 % intervals. Filled and joined by the broken line: the Pareto front, on which no other run scores as much for less, as measured.</p>
${key(markKey(study))}
${figures(charts)}`,
  };
}

function losses(study: Study): Section | undefined {
  const charts = lossCharts(study);
  if (charts.length === 0) return undefined;
  return {
    id: "loss",
    title: "Loss",
    content: html`<p>Lines: training loss, means of neighbouring steps. Circles: loss on held-out examples.</p>
${key(lineKey(study))}
${figures(charts)}
${table(lossTable(study))}`,
  };
}

function alignment(study: Study): Section | undefined {
  if (study.results.alignment.length === 0) return undefined;
  const scores = Object.keys(alignmentScores) as AlignmentScore[];
  const charts = alignmentCharts(study, scores);
  const captions = charts.map(({ title }) => describePrediction(study, title as AlignmentScore));
  return {
    id: "alignment",
    title: "Alignment and gain",
    content: html`<p>How well each set of data fits each task, computed before tuning, against what tuning changed; only tasks in points are drawn. Filled: the data were meant for the task. ${describeAlignment(study)}</p>
${charts.length > 0 ? key(markKey(study)) : undefined}
${figures(charts, captions)}
${table(alignmentTable(study))}
<p class="note">Items found in the data: 13 words in a row of the item stand there too (Brown et al. 2020).</p>`,
  };
}

function efficiency(study: Study): Section {
  return {
    id: "efficiency",
    title: "Efficiency",
    content: html`<p>${describeCost(study)}</p>
${table(costTable(study))}
${study.results.kind === "methods" ? undefined : html`${table(quantityTable(study))}<p class="note">${quantityNote}</p>`}`,
  };
}

function answers(study: Study): Section | undefined {
  const cells = study.rows.flatMap((row) => row.cells.filter(({ flips }) => flips && flips.length > 0));
  if (cells.length === 0) return undefined;
  return {
    id: "answers",
    title: "Answers that changed",
    content: html`<p>A few items of each tuned model that became right and a few that became wrong; they are examples, not measurements.</p>
${cells.map(cellAnswers)}`,
  };
}

function cellAnswers(cell: FinishedCell, index: number): Html {
  const { id, flips = [] } = cell;
  return html`<details${index === 0 ? html` open` : undefined}>
<summary><b>${id}</b> ${countFlips(cell)}</summary>
${flips.map(
  (flip) => html`<article>
<h3>${flip.task}, item ${flip.item}: ${flip.direction === "fixed" ? "became right" : "became wrong"}</h3>
<pre class="prompt">${endOfPrompt(flip.prompt)}</pre>
<p>Expected: <code>${flip.expected}</code></p>
<div class="answers">
<div><h4>base model</h4><pre>${flip.base}</pre></div>
<div><h4>tuned model</h4><pre>${flip.tuned}</pre></div>
</div>
</article>
`,
)}</details>
`;
}

function failures(study: Study): Section | undefined {
  const failed = failureTable(study);
  if (failed.rows.length === 0) return undefined;
  return { id: "failures", title: "Not computed", content: table(failed) };
}

function limits({ results }: Study): Section | undefined {
  if (results.notes.length === 0) return undefined;
  return {
    id: "limits",
    title: "Limits",
    content: html`<ul>${results.notes.map((note) => html`<li>${note}</li>`)}</ul>`,
  };
}

function provenance(study: Study): Section {
  return {
    id: "provenance",
    title: "How it was made",
    content: html`<p>This command makes it again:</p>
<pre>${study.results.command}</pre>
${table(dataTable(study))}
${table(taskTable(study))}
<div class="columns">${table(settingsTable(study))}${table(machineTable(study))}</div>
${table(hashTable(study))}`,
  };
}

/** Columns that a phone shows beside each other. */
const wideColumns = 3;

function table({ headings, rows, numeric }: Table): Html {
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

function key(entries: readonly KeyEntry[]): Html {
  return html`<ul class="key">${entries.map(({ label, svg }) => html`<li>${svg}${label}</li>`)}</ul>`;
}

function figures(charts: readonly Chart[], captions: readonly string[] = []): Html {
  return html`<div class="figures">${charts.map(
    (
      { title, svg },
      i,
    ) => html`<figure><h3>${title}</h3>${svg}${captions[i] && html`<figcaption>${captions[i]}</figcaption>`}</figure>
`,
  )}</div>`;
}
