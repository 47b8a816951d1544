/** @file The report of a slimming study, or of one that compares methods. */

import type { AlignmentScore } from "../../alignment/align.ts";
import { type Html, html } from "../../reporting/html.ts";
import { bulletList, escapeMarkdown, fence } from "../../reporting/markdown-text.ts";
import {
  type Block,
  figures,
  inMarkdown,
  key,
  list,
  note,
  onPage,
  paragraph,
  type Report,
  type Section,
  table,
} from "../../reporting/sections.ts";
import { describeGrid, gridProvenance, metricOf } from "../grid/report-sections.ts";
import { failures, limits } from "../report-sections.ts";
import { answer, describeAlignment, describeBits, describeCost, describeDivergence } from "./answer.ts";
import {
  alignmentCharts,
  costCharts,
  costKey,
  lossCharts,
  lossKey,
  tradeoffCharts,
  tradeoffKey,
} from "./charts.ts";
import { bitsMatrix, bitsTable, gainMatrix, gainTable } from "./gains.ts";
import { recommend } from "./recommend.ts";
import type { Flip, SlimmingResults } from "./results.ts";
import { arrangeBits, arrangeStudy, type FinishedCell, type Study } from "./study-rows.ts";
import {
  alignmentTable,
  bitsPredictionTable,
  costTable,
  lossTable,
  quantityTable,
  recommendationTable,
} from "./tables.ts";
import {
  comparisonTable,
  describeRivals,
  describeTradeoffs,
  tradeoffNotes,
  tradeoffTable,
} from "./tradeoff-report.ts";
import {
  alignmentMeanings,
  bitsNotes,
  countFlips,
  describeChance,
  describePrediction,
  endOfPrompt,
  quantityNote,
  readingNotes,
  titleOf,
} from "./wording.ts";

const looksNote =
  "Variants of a run look alike here: each point or line tells its name, and the tables name them all.";

export function slimmingReport(results: SlimmingResults): Report {
  const study = arrangeStudy(results);
  const bits = arrangeBits(results);
  return {
    title: titleOf(study),
    about: describeGrid(results),
    answer: [...answer(study), ...(bits ? describeBits(bits) : []), ...describeTradeoffs(study)],
    sections: [
      section("gains", "Gained and kept", gains(study)),
      section("bits", "How likely right answers became", bits ? likelihoods(bits) : []),
      section("tradeoffs", "Gain against forgetting", tradeoffs(study)),
      section("methods", "Which method", methods(study)),
      section("costs", "Score against cost", costs(study)),
      section("loss", "Loss", losses(study)),
      section("alignment", "Alignment and gain", alignment(study, bits)),
      section("efficiency", "Efficiency", efficiency(study)),
      section("answers", "Answers that changed", answers(study)),
      failures([...(results.quantizedBases ?? []), ...results.cells]),
      limits(results),
      gridProvenance(results),
    ],
  };
}

function section(id: string, title: string, blocks: readonly Block[]): Section {
  return { id, title, blocks };
}

function gains(study: Study): Block[] {
  const { tasks } = study;
  const outlined = tasks.some(({ alignedData }) => alignedData.length > 0);
  const notes = [...describeDivergence(study), ...readingNotes(study)];
  return [
    onPage(html`<p>Change of each score from the base model, in points (hundredths of the score) where scores have them, with its 95 % interval.</p>
<ul class="key">
<li><span class="swatch better">▲</span>shown to be better</li>
<li><span class="swatch worse">▼</span>shown to be worse</li>
<li><span class="swatch"></span>neither colour nor mark: no difference shown</li>
${outlined ? html`<li><span class="swatch aligned"></span>the data were meant for the task</li>` : undefined}
</ul>
${gainMatrix(study)}
${notes.map((text) => html`<p class="note">${text}</p>`)}`),
    inMarkdown(
      "Change of each score from the base model with its 95 % interval; **bold**: the data were meant for the task; ▲ shown to be better, ▼ shown to be worse, no mark: no difference shown.",
    ),
    inMarkdown(
      bulletList(
        tasks.map((task) =>
          escapeMarkdown(
            `${task.name}: ${metricOf(task)}, base ${task.print.score(task.base.value)} ${task.print.range(task.base)}, ${describeChance(task)}${task.inPoints ? "; in points" : ""}`,
          ),
        ),
      ),
    ),
    inMarkdown(gainTable(study)),
    inMarkdown(bulletList(notes.map(escapeMarkdown))),
  ];
}

function likelihoods(bits: Study): Block[] {
  const explanation =
    "Change of the bits per byte of the right answer after its prompt (of a text that is read: of the text), with its 95 % interval. Lower is better, so −0.10 means that a byte takes a tenth of a bit less. It tells apart models whose scores are alike, since every answer counts by how likely it is.";
  const notes = bitsNotes(bits);
  return [
    onPage(html`<p>${explanation}</p>
${bitsMatrix(bits)}
${notes.map((text) => html`<p class="note">${text}</p>`)}`),
    inMarkdown(
      `${explanation} **Bold**: the data were meant for the task; ▲ shown to be better, ▼ shown to be worse.`,
    ),
    inMarkdown(
      bulletList(
        bits.tasks.map((task) =>
          escapeMarkdown(
            `${task.name}: ${metricOf(task)}, base ${task.print.score(task.base.value)} ${task.print.range(task.base)}`,
          ),
        ),
      ),
    ),
    inMarkdown(bitsTable(bits)),
    inMarkdown(bulletList(notes.map(escapeMarkdown))),
  ];
}

function tradeoffs(study: Study): Block[] {
  if (!study.results.tradeoffs?.length) return [];
  const charts = tradeoffCharts(study);
  const rivals = describeRivals(study);
  return [
    paragraph(
      "The same run in variants: what each gained on the tasks that the data were meant for, and what it forgot, means over the seeds with 95 % intervals.",
    ),
    ...(charts.length > 0
      ? [
          onPage(
            html`<p>Better is up and to the left. Filled and joined by the broken line: runs that are kept near the base model with more and more weight. Lines through a point: 95 % intervals.</p>`,
          ),
          key(tradeoffKey(study)),
          figures(charts),
        ]
      : []),
    table(tradeoffTable(study)),
    paragraph(
      "Each variant less the plain one, in pairs. ▲: shown to be better, ▼: shown to be worse; of divergence and of the rise of other tasks’ bits per byte, less is better.",
    ),
    table(comparisonTable(study)),
    ...(rivals.length > 0 ? [list(rivals)] : []),
    ...tradeoffNotes(study).map(note),
  ];
}

function methods(study: Study): Block[] {
  if (study.results.kind !== "methods") return [];
  const recommendations = recommend(study);
  const { leftOut } = recommendations;
  return [
    table(recommendationTable(recommendations)),
    onPage(
      html`<p class="note">Scores and retention are mean changes from the base model with 95 % intervals. Two methods differ in them if the interval of their difference leaves out zero; it is taken from both intervals as if they were independent, which is too wide for answers to the same items. Two methods differ in memory or time if one needs less in every run with the same data and seed. ${leftOut.join(" ")}</p>`,
    ),
    ...leftOut.map((text) => inMarkdown(escapeMarkdown(text))),
    table(quantityTable(study)),
    onPage(html`<p class="note">${quantityNote}</p>`),
  ];
}

function costs(study: Study): Block[] {
  const charts = costCharts(study);
  if (charts.length === 0) return [];
  return [
    onPage(
      html`<p>Mean score over ${study.targets.join(", ")}, as its difference from the base model’s, with 95 % intervals. Filled and joined by the broken line: the Pareto front, on which no other run scores as much for less, as measured.</p>`,
    ),
    ...describeLooks(study),
    key(costKey(study)),
    figures(charts),
  ];
}

function describeLooks({ results }: Study): Block[] {
  return results.variants ? [onPage(html`<p class="note">${looksNote}</p>`)] : [];
}

function losses(study: Study): Block[] {
  const charts = lossCharts(study);
  if (charts.length === 0) return [];
  return [
    onPage(
      html`<p>Lines: training loss, means of neighbouring steps. Circles: loss on held-out examples.</p>`,
    ),
    ...describeLooks(study),
    key(lossKey(study)),
    figures(charts),
    table(lossTable(study)),
  ];
}

function alignment(study: Study, bits: Study | undefined): Block[] {
  if (study.results.alignment.length === 0) return [];
  const scores = Object.keys(alignmentMeanings) as AlignmentScore[];
  const charts = alignmentCharts(study, scores);
  const found = describeAlignment(study);
  return [
    onPage(
      html`<p>How well each set of data fits each task, computed before tuning, against what tuning changed; only tasks in points are drawn. Filled: the data were meant for the task. ${found}</p>`,
    ),
    ...(charts.length > 0 ? [...describeLooks(study), key(costKey(study))] : []),
    figures(
      charts,
      charts.map(({ title }) => describePrediction(study, title as AlignmentScore)),
    ),
    ...found.map((text) => inMarkdown(escapeMarkdown(text))),
    table(alignmentTable(study)),
    onPage(
      html`<p class="note">Items found in the data: 13 words in a row of the item stand there too (Brown et al. 2020).</p>`,
    ),
    inMarkdown(
      bulletList(
        scores.map((score) =>
          escapeMarkdown(`${score}, ${alignmentMeanings[score]}: ${describePrediction(study, score)}`),
        ),
      ),
    ),
    ...(bits ? [table(bitsPredictionTable(bits))] : []),
  ];
}

function efficiency(study: Study): Block[] {
  return [
    ...describeCost(study).map(paragraph),
    table(costTable(study)),
    ...(study.results.kind === "methods" ? [] : [table(quantityTable(study)), note(quantityNote)]),
  ];
}

function answers({ rows }: Study): Block[] {
  const cells = rows.flatMap((row) => row.cells.filter(({ flips }) => flips && flips.length > 0));
  if (cells.length === 0) return [];
  return [
    onPage(html`<p>A few items of each tuned model that became right and a few that became wrong; they are examples, not measurements.</p>
${cells.map(answersOnPage)}`),
    ...cells.flatMap(answersInMarkdown),
  ];
}

function answersOnPage(cell: FinishedCell, index: number): Html {
  const { id, flips = [] } = cell;
  return html`<details${index === 0 ? html` open` : undefined}>
<summary><b>${id}</b> ${countFlips(cell)}</summary>
${flips.map(
  (flip) => html`<article>
<h3>${nameFlip(flip)}</h3>
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

function answersInMarkdown(cell: FinishedCell): Block[] {
  return [
    `### ${escapeMarkdown(cell.id)}`,
    escapeMarkdown(countFlips(cell)),
    ...(cell.flips ?? []).flatMap((flip) => [
      `**${escapeMarkdown(nameFlip(flip))}**`,
      fence(endOfPrompt(flip.prompt)),
      "Expected:",
      fence(flip.expected),
      "Base model:",
      fence(flip.base),
      "Tuned model:",
      fence(flip.tuned),
    ]),
  ].map(inMarkdown);
}

function nameFlip({ task, item, direction }: Flip): string {
  return `${task}, item ${item}: ${direction === "fixed" ? "became right" : "became wrong"}`;
}
