/** @file The report of a causal study. */

import {
  countOf,
  formatCount,
  formatNumber,
  formatRange,
  formatSeconds,
  formatSigned,
  joinWords,
} from "../../reporting/format.ts";
import { note, paragraph, type Report, type Table, table } from "../../reporting/sections.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { describeGrid, gridProvenance } from "../grid/report-sections.ts";
import { tuningOf } from "../grid/results.ts";
import { failures, limits } from "../report-sections.ts";
import type { CausalComparison, CausalResults, CausalTuning, PromptSplit } from "./results.ts";

export function causalReport(found: CausalResults): Report {
  const ofQuestion = (question: CausalComparison["question"]) =>
    found.comparisons.filter((one) => one.question === question);
  const [term, method] = [ofQuestion("the term"), ofQuestion("the method")];
  return {
    title: `What the causal term does to prompts of ${found.model.name}`,
    about: describeGrid(found),
    answer: [...answerOf(found, term), ...claimOf(found)],
    sections: [
      {
        id: "scores",
        title: "What each model can do",
        blocks: [
          table(scoreTable(found)),
          note(
            "Means over the seeds, with 95 % intervals. Scores in points (hundredths), bits per byte of the right answers, of which fewer are better, and divergence from the base model on neutral text, in nats.",
          ),
        ],
      },
      {
        id: "term",
        title: "With the term less without",
        blocks: term.length > 0 ? [table(comparisonTable(term)), shownNote(term.length)] : [],
      },
      {
        id: "method",
        title: "Prompts less the first method beside them",
        blocks: method.length > 0 ? [table(comparisonTable(method)), shownNote(method.length)] : [],
      },
      {
        id: "prompts",
        title: "What the prompts add",
        blocks: [
          table(varianceTable(found)),
          note(
            "In the last layer, on questions that were not tuned on. The variance over the questions is what the term makes small; divided by the mean square it says which share of what the prompts add differs between questions. A small variance alone may only say that little is added.",
          ),
          table(ablationTable(found)),
          note(
            "Rise of the negative log-likelihood of a right answer, in nats, if what the last layer's shared or particular prompts add is left out, or these prompts are those of the model of the other set (with the same seed). Theory has shared prompts hold what all questions need, so that they may be exchanged between sets, and particular ones not.",
          ),
          ...(Object.keys(found.seeds).length < 2
            ? [paragraph("With one set of data nothing could be exchanged.")]
            : []),
        ],
      },
      failures(found.cells),
      limits(found),
      gridProvenance(found),
    ],
  };
}

const isShown = ({ adjustedP }: CausalComparison) => adjustedP <= 0.05;
const isBetter = ({ value, higherIsBetter }: CausalComparison) => value > 0 === higherIsBetter;

/** "dca (causal-0.1-shared-1) on letters" */
function nameOf({ data, ...tuning }: Pick<CausalTuning, "data" | "method" | "variant">): string {
  return `${tuningOf(tuning)} on ${data}`;
}

/** For each set, what the term is shown to do to the scores in and out of distribution. */
function answerOf({ seeds }: CausalResults, term: readonly CausalComparison[]): string[] {
  return Object.entries(seeds).flatMap(([data, ofData]) => {
    const own = term.filter((one) => one.data === data);
    if (own.length === 0) return [`On ${data} nothing can be compared.`];
    const verdicts = (["in distribution", "out of distribution"] as const).flatMap((role) => {
      const ofRole = own.filter((one) => one.role === role);
      if (ofRole.length === 0) return [];
      const shown = ofRole.filter(isShown);
      const list = (better: boolean) =>
        joinWords([
          ...new Set(
            shown
              .filter((one) => isBetter(one) === better)
              .map(({ variant, task, of }) => `${variant} (${of} of ${task})`),
          ),
        ]);
      const [helps, harms] = [list(true), list(false)];
      const parts = [...(helps ? [`helps with ${helps}`] : []), ...(harms ? [`harms with ${harms}`] : [])];
      return [`${role} it ${parts.length > 0 ? parts.join(" and ") : "is not shown to change anything"}`];
    });
    return [
      `The causal term on ${data}, against none (${countOf(ofData.length, "seed")}): ${verdicts.join("; ")}.`,
    ];
  });
}

/** Whether the shared prompts may be exchanged sooner than the particular ones. */
function claimOf({ tunings }: CausalResults): string[] {
  const compared = tunings.flatMap((tuning) =>
    tuning.splits.flatMap((split) =>
      split.particularLessShared && (tuning.variant ?? "").includes("shared")
        ? [{ tuning, split, difference: split.particularLessShared }]
        : [],
    ),
  );
  if (compared.length === 0) return [];
  const as = compared.filter(({ difference }) => difference.low > 0);
  const against = compared.filter(({ difference }) => difference.high < 0);
  return [
    `Of ${countOf(compared.length, "model")} with the term, ${as.length} lose more by another set’s particular prompts than by its shared ones, as the theory has it, and ${against.length} less; of the others neither is shown.`,
  ];
}

function shownNote(tests: number) {
  return note(
    `“Shown” means p ≤ 0.05 after Holm’s adjustment for ${countOf(tests, "test")}. Differences are paired by items and seeds; what is not shown may be there.`,
  );
}

function printer(of: CausalComparison["of"]): readonly [scale: number, digits: number] {
  return of === "score" ? [100, 1] : [1, 3];
}

function print({ value, low, high }: Estimate, of: CausalComparison["of"], format: typeof formatNumber) {
  const [scale, digits] = printer(of);
  return `${format(scale * value, digits)} ${formatRange({ low: scale * low, high: scale * high }, digits)}`;
}

function scoreTable({ tunings }: CausalResults): Table {
  const kinds = tunings.flatMap(({ quantities }) => quantities.map(({ task, of }) => `${task}, ${of}`));
  const columns = [...new Set(kinds)];
  return {
    headings: ["model", "trained", "time", ...columns, "divergence"],
    rows: tunings.map((tuning) => [
      nameOf(tuning),
      formatCount(tuning.trainableParameters),
      formatSeconds(tuning.seconds),
      ...columns.map((column) => {
        const one = tuning.quantities.find(({ task, of }) => `${task}, ${of}` === column);
        return one ? `${print(one, one.of, formatNumber)}${mark(one.role)}` : "–";
      }),
      print(tuning.divergence, "nats", formatNumber),
    ]),
    numeric: true,
  };
}

/** Which tasks were meant. */
function mark(role: CausalComparison["role"]): string {
  return role === "in distribution" ? " (in)" : role === "out of distribution" ? " (out)" : "";
}

function comparisonTable(comparisons: readonly CausalComparison[]): Table {
  return {
    headings: ["model", "less", "of", "difference", "p, adjusted", "shown"],
    rows: comparisons.map((one) => [
      nameOf(one),
      tuningOf(one.against),
      one.task === "divergence" ? "divergence, nats" : `${one.task}, ${one.of}${mark(one.role)}`,
      print(one, one.of, formatSigned),
      formatNumber(one.adjustedP, 3),
      isShown(one) ? (isBetter(one) ? "better" : "worse") : "not shown",
    ]),
    numeric: false,
  };
}

/** Each split of each model with prompts. */
function listSplits({ tunings }: CausalResults): (readonly [name: string, split: PromptSplit])[] {
  return tunings.flatMap((tuning) =>
    tuning.splits.map((split) => [`${nameOf(tuning)}, ${split.shared} shared`, split] as const),
  );
}

function varianceTable(found: CausalResults): Table {
  const share = (variance: number, square: number) =>
    square > 0 ? `${formatNumber((100 * variance) / square, 1)} %` : "–";
  return {
    headings: [
      "prompts",
      "shared: variance over questions",
      "of each seed",
      "of their mean square",
      "particular: variance",
      "of their mean square",
    ],
    rows: listSplits(found).map(([name, one]) => [
      name,
      one.variance.toExponential(2),
      one.variances.map((value) => value.toExponential(1)).join(", "),
      share(one.variance, one.meanSquare),
      one.particularVariance.toExponential(2),
      share(one.particularVariance, one.particularMeanSquare),
    ]),
    numeric: true,
  };
}

function ablationTable(found: CausalResults): Table {
  const kinds = [
    ["shared", "removed"],
    ["particular", "removed"],
    ["shared", "exchanged"],
    ["particular", "exchanged"],
  ] as const;
  return {
    headings: [
      "prompts",
      ...kinds.map(([part, how]) => `${part} ${how}`),
      "exchanged: particular less shared",
    ],
    rows: listSplits(found).map(([name, { changes, particularLessShared }]) => [
      name,
      ...kinds.map(([part, how]) => {
        const change = changes.find((one) => one.part === part && one.how === how);
        return change ? print(change, "nats", formatSigned) : "–";
      }),
      particularLessShared ? print(particularLessShared, "nats", formatSigned) : "–",
    ]),
    numeric: true,
  };
}
