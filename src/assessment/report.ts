/** @file The report of an assessment, for whoever has written or spoken the texts: levels, turns with marks, and how far to trust them. */

import { countOf, formatNumber, formatRange, formatSeconds, formatShare } from "../reporting/format.ts";
import { html } from "../reporting/html.ts";
import { escapeMarkdown } from "../reporting/markdown-text.ts";
import {
  type Block,
  list,
  note,
  paragraph,
  type Report,
  type Section,
  table,
} from "../reporting/sections.ts";
import type { Measured } from "./agreement.ts";
import type { Evidence } from "./formulations/formulation.ts";
import type { AssessmentResults, DimensionResults, TextScore, WayResults } from "./results.ts";
import type { AssessedText } from "./texts.ts";

/** Texts that are shown with their turns; the others are in scores.jsonl. */
const shownTexts = 30;

const style = html`<style>
#texts h3 { margin-top: 1.4rem; }
.turn { max-width: 52rem; margin: 0; padding: .2rem .6rem; border-left: 4px solid transparent; }
.turn.marked { margin: .15rem 0; border-left-color: #0b5a97; background: #e8f1f8; }
.turn small { display: inline; margin-left: .5rem; padding: .05rem .4rem; border: 1px solid #0b5a97; border-radius: 3px; color: #0b5a97; white-space: nowrap; }
@media print { .turn { break-inside: avoid; } }
</style>`;

/** @param texts those that were assessed, as they were shown to the model */
export function assessmentReport(
  results: AssessmentResults,
  scores: readonly TextScore[],
  texts: readonly AssessedText[],
): Report {
  const { model, adapter, rubric } = results;
  const asked = results.ways.filter(({ asked }) => asked);
  const chosen = best(asked);
  const marking = findMarking(asked, chosen, scores);
  const by = adapter === null ? model : `${model} with ${adapter}`;
  return {
    title: `${countOf(texts.length, "text")} assessed by ${by}`,
    about: `On ${rubric.dimensions.map(({ name }) => name).join(", ")}. ${describePlace(results)}`,
    answer: [...describeTrust(results, chosen)],
    sections: [
      { id: "levels", title: "Levels", blocks: levelBlocks(results, chosen, scores, texts) },
      {
        id: "texts",
        title: "Texts with what speaks for their levels",
        blocks: textBlocks(chosen, marking, scores, texts),
      },
      ...rubric.dimensions.map(({ name }) => ({
        id: `ways-${name}`,
        title: `Ways to assess ${name}`,
        blocks: wayBlocks(results, name),
      })),
      rubricSection(results),
      provenanceSection(results),
    ],
    style,
  };
}

/** Where the texts have been. */
export function describePlace({
  server,
  isAnonymous,
}: Pick<AssessmentResults, "server" | "isAnonymous">): string {
  const names = isAnonymous ? " Speakers' names were replaced." : "";
  return server === null
    ? `All was computed on this machine, and no text has left it.${names}`
    : `The texts went to the server at ${server}.${names}`;
}

function meanKappa({ dimensions }: WayResults): number {
  const kappas = dimensions.map(({ agreement }) => agreement?.kappa?.value ?? Number.NEGATIVE_INFINITY);
  return kappas.reduce((sum, kappa) => sum + kappa, 0) / kappas.length;
}

/** The way that agrees best with the reference; without one, the first. */
function best(ways: readonly WayResults[]): WayResults {
  return ways.reduce((best, way) => (meanKappa(way) > meanKappa(best) ? way : best));
}

/** The way whose evidence marks the turns; undefined if none has any. */
function findMarking(
  ways: readonly WayResults[],
  chosen: WayResults,
  scores: readonly TextScore[],
): WayResults | undefined {
  const marks = (way: WayResults) =>
    scores.some(({ way: name, evidence }) => name === way.name && evidence.length > 0);
  if (marks(chosen)) return chosen;
  const others = ways.filter(marks);
  return others.length > 0 ? best(others) : undefined;
}

function describeTrust(results: AssessmentResults, chosen: WayResults): string[] {
  const { reference, ways, texts, people } = results;
  if (reference === null) {
    return [
      "How far these levels agree with people's is not known: nobody has rated the texts. Take them as a place to begin a conversation, and look at the turns that are marked.",
    ];
  }
  const source =
    reference === "ratings"
      ? "Levels are compared with those that people gave"
      : "Levels are compared with those counted from people's labels of the turns, which are no ratings of whole texts";
  const split =
    texts.training === 0
      ? ""
      : ` Examples and baselines come from ${countOf(texts.training, "other text")} of ${countOf(texts.trainingGroups, "other group")}.`;
  const learnt = ways.filter(({ asked }) => !asked);
  return [
    `${source}: ${countOf(texts.assessed, "text")} of ${countOf(texts.assessedGroups, "group")}.${split}`,
    ...chosen.dimensions.map(({ dimension, agreement }) => {
      const kappa = agreement?.kappa;
      if (!kappa) {
        return `${dimension}: the agreement of "${chosen.name}" is not known, since ${agreement?.whyNoKappa ?? "no text has a reference"}.`;
      }
      const plain = learnt
        .flatMap(({ name, dimensions }) =>
          dimensions
            .filter((one) => one.dimension === dimension && one.agreement?.kappa)
            .map(({ agreement }) => ({ name, kappa: agreement!.kappa! })),
        )
        .sort((a, b) => b.kappa.value - a.kappa.value)[0];
      const beside = plain
        ? ` Without a model, by ${plain.name}, it is ${showMeasured(plain.kappa, 1, 2)}.`
        : "";
      return `${dimension}: "${chosen.name}" has a quadratic weighted kappa of ${showMeasured(kappa, 1, 2)}, where 1 is the same levels and 0 chance.${beside}`;
    }),
    ...people.flatMap(({ dimension, alpha }) =>
      alpha
        ? [`${dimension}: people agree among themselves with an alpha of ${showMeasured(alpha, 1, 2)}.`]
        : [],
    ),
  ];
}

/** "0.52 [0.40, 0.61]", or a dash. */
function showMeasured(measured: Measured | null | undefined, scale: number, digits: number): string {
  if (!measured) return "–";
  const { value, interval } = measured;
  const shown = formatNumber(scale * value, digits);
  if (!interval) return shown;
  return `${shown} ${formatRange({ low: scale * interval.low, high: scale * interval.high }, digits)}`;
}

function levelBlocks(
  { rubric, reference, ways }: AssessmentResults,
  chosen: WayResults,
  scores: readonly TextScore[],
  texts: readonly AssessedText[],
): Block[] {
  const own = scores.filter(({ way }) => way === chosen.name);
  const find = (text: string, name: string) =>
    own.find((score) => score.text === text && score.dimension === name)!;
  const cell = ({ level, expected, deviation, reference: right }: TextScore) => {
    const spread =
      expected === null ? "" : ` (${formatNumber(expected, 1)} ± ${formatNumber(deviation!, 1)})`;
    const beside = right === null ? "" : `; ${reference === "ratings" ? "people" : "labels"}: ${right}`;
    return `${level ?? "none"}${spread}${beside}`;
  };
  return [
    table({
      headings: ["text", ...rubric.dimensions.map(({ name }) => name)],
      rows: texts.map(({ id }) => [id, ...rubric.dimensions.map(({ name }) => cell(find(id, name)))]),
      numeric: true,
    }),
    note(
      `By "${chosen.name}"${reference === null || ways.filter(({ asked }) => asked).length === 1 ? "" : ", which agrees best on these very texts"}. In brackets the mean of the level by how likely the model takes each, and its standard deviation. "none" stands where no level could be read from the answers.`,
    ),
  ];
}

function textBlocks(
  chosen: WayResults,
  marking: WayResults | undefined,
  scores: readonly TextScore[],
  texts: readonly AssessedText[],
): Block[] {
  const shown = texts.slice(0, shownTexts);
  const more = texts.length - shown.length;
  return [
    note(
      marking
        ? `Marked are turns that "${marking.name}" takes for examples of a dimension, with how probable it takes that to be, where it says so.${more > 0 ? ` The first ${shownTexts} texts; the other ${more} are in scores.jsonl.` : ""}`
        : "None of the ways names turns; --formulations turns or examples does.",
    ),
    ...shown.map((text) => showText(text, chosen, marking, scores)),
  ];
}

function showText(
  { id, turns }: AssessedText,
  chosen: WayResults,
  marking: WayResults | undefined,
  scores: readonly TextScore[],
): Block {
  const ofText = scores.filter(({ text }) => text === id);
  const levels = ofText
    .filter(({ way }) => way === chosen.name)
    .map(({ dimension, level }) => `${dimension} ${level ?? "none"}`)
    .join(", ");
  const marked = ofText.filter(({ way }) => way === marking?.name);
  const marksOf = (number: number) =>
    marked.flatMap(({ dimension, evidence }) =>
      evidence
        .filter(({ turn }) => turn === number)
        .slice(0, 1)
        .map((found) => markOf(dimension, found)),
    );
  const invented = marked.flatMap(({ dimension, evidence }) =>
    evidence.flatMap(({ turn, quote }) => (turn === null ? [`${dimension}: “${quote}”`] : [])),
  );
  const lines = turns.map((turn, number) => ({ ...turn, marks: marksOf(number) }));
  const foreign =
    invented.length === 0 ? "" : `Quoted by the model, but not in the text: ${invented.join("; ")}`;
  return {
    html: html`<h3>${id}: ${levels}</h3>${lines.map(
      ({ speaker, text, marks }) =>
        html`<p class="turn${marks.length > 0 ? " marked" : ""}"><b>${speaker}:</b> ${text}${marks.map((mark) => html` <small>${mark}</small>`)}</p>
`,
    )}${foreign && html`<p class="note">${foreign}</p>`}`,
    markdown: [
      `### ${escapeMarkdown(`${id}: ${levels}`)}`,
      ...lines.map(
        ({ speaker, text, marks }) =>
          `**${escapeMarkdown(speaker)}:** ${escapeMarkdown(text)}${marks.map((mark) => ` **[${escapeMarkdown(mark)}]**`).join("")}`,
      ),
      ...(foreign ? [escapeMarkdown(foreign)] : []),
    ].join("\n\n"),
  };
}

function markOf(dimension: string, { probability, quote }: Evidence): string {
  if (probability !== undefined) return `${dimension} ${formatNumber(100 * probability, 0)} %`;
  return quote === undefined ? dimension : `${dimension}, quoted`;
}

function wayBlocks({ ways, reference }: AssessmentResults, name: string): Block[] {
  const rows = ways.flatMap(({ dimensions, ...way }) => {
    const found = dimensions.find(({ dimension }) => dimension === name);
    return found ? [{ way, found }] : [];
  });
  const nameOf = (way: Omit<WayResults, "dimensions">) => (way.asked ? way.name : `${way.name} (no model)`);
  const agreement: Block[] =
    reference === null
      ? []
      : [
          table({
            headings: ["way", "kappa", "exact, %", "macro-F1", "alpha", "kappa of the mean", "AUC of turns"],
            rows: rows.map(({ way, found: { agreement, expectedKappa, turnArea } }) => [
              nameOf(way),
              showMeasured(agreement?.kappa, 1, 2),
              showMeasured(agreement?.exact, 100, 0),
              showMeasured(agreement?.macroF1, 1, 2),
              showMeasured(agreement?.alpha, 1, 2),
              showMeasured(expectedKappa, 1, 2),
              showMeasured(turnArea, 1, 2),
            ]),
            numeric: true,
          }),
          ...missing(rows),
          note(
            "Kappa is quadratic weighted; alpha is Krippendorff's for ordinal data; both leave out texts without a level, which are wrong in the share of exact levels and in macro-F1. The kappa of the mean is that of the expected level, rounded. AUC: how probable it is that a turn that people have marked is judged more probable than one that they have not. In brackets 95 % intervals of the bootstrap over groups of texts, which are drawn whole.",
          ),
        ];
  return [
    ...agreement,
    table({
      headings: [
        "way",
        "no level, %",
        "runs",
        "same in all runs, %",
        "kappa of runs",
        "quotes that stand, %",
        "questions",
        "tokens",
        "time",
      ],
      rows: rows.map(({ way, found }) => [nameOf(way), ...costCells(way, found)]),
      numeric: true,
    }),
    note(
      "Means over the texts and runs. Tokens are those of the prompts, as if each were computed alone, and of the answers that were written or scored; the time is that in which they were first computed, divided among those computed side by side. Of one run nothing is known of how far runs are the same; where nothing is drawn, there is only one.",
    ),
  ];
}

function missing(
  rows: readonly { readonly way: Omit<WayResults, "dimensions">; readonly found: DimensionResults }[],
): Block[] {
  const reasons = rows.flatMap(({ way, found: { agreement } }) =>
    agreement?.whyNoKappa ? [`${way.name} has no kappa: ${agreement.whyNoKappa}.`] : [],
  );
  return reasons.length > 0 ? [list(reasons)] : [];
}

function costCells({ runs }: Pick<WayResults, "runs">, found: DimensionResults): string[] {
  const { failed, consistency, quotes, usage } = found;
  const tokens = usage.promptTokens + usage.completionTokens + usage.verifierTokens;
  return [
    formatNumber(100 * failed, 0),
    String(runs),
    consistency ? formatNumber(100 * consistency.identical, 0) : "–",
    consistency?.kappa == null ? "–" : formatNumber(consistency.kappa, 2),
    quotes ? formatShare(quotes.standing / quotes.given) : "–",
    formatNumber(usage.calls, 1),
    formatNumber(tokens, 0),
    formatSeconds(usage.seconds),
  ];
}

function rubricSection({ rubric, ways }: AssessmentResults): Section {
  return {
    id: "rubric",
    title: "What was asked",
    blocks: [
      ...rubric.dimensions.flatMap(({ name, question, levels }) => [
        paragraph(`${name}: ${question}`),
        list(
          levels.map(({ level, description, counts }) => {
            if (!counts) return `${level}: ${description}`;
            const { least, most } = counts;
            const range =
              most === Number.POSITIVE_INFINITY
                ? `${least} or more`
                : least === most
                  ? String(least)
                  : `${least} to ${most}`;
            return `${level}: ${description} (counted: ${range})`;
          }),
        ),
      ]),
      list([
        ...new Map(
          ways.map(({ name, asked, description }) => [
            description,
            `${asked?.formulation ?? name}: ${description}`,
          ]),
        ).values(),
      ]),
    ],
  };
}

function provenanceSection(results: AssessmentResults): Section {
  const { model, adapter, slimtune, date, reading, selection, temperature, seed, rubric, ways } = results;
  return {
    id: "provenance",
    title: "How it was made",
    blocks: [
      list([
        `Model ${model}, ${adapter === null ? "no adapter" : `adapter ${adapter}`}; slimtune ${slimtune}, ${date}.`,
        reading === "likelihoods"
          ? "Answers that are one of several are read from how likely the model takes each of them, whole; quotes are written."
          : "Answers are read as the model writes them; what cannot be read is no level.",
        `Texts are written at temperature ${temperature}; seed ${seed}.`,
        ...(ways.some(({ asked }) => asked && asked.shots > 0)
          ? [
              `Examples are chosen ${selection === "random" ? "at random" : `by ${selection}`}: half of them turns or texts that show what is asked, half hard negatives.`,
            ]
          : []),
        "Counts of pieces are added before the rubric gives the level; a level of a piece stands for the smallest count that it has. Levels that stand for no counts are averaged.",
        ...(rubric.windowWords === undefined
          ? []
          : [`Texts were cut into windows of at least ${rubric.windowWords} words, at the ends of turns.`]),
      ]),
    ],
  };
}
