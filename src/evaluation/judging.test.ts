import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { applyFilter } from "./filters.ts";
import { scoreItem, type TaskMetric } from "./metrics/metrics.ts";
import type { FilterStep } from "./task.ts";
import { wikitext } from "./tasks/wikitext.ts";

/** Made by the harness; see reference/harness_judging.py. */
const golden: {
  answers: string[];
  targets: string[];
  filters: { filter: FilterStep[]; answers: string[] }[];
  generation: { metric: TaskMetric; scores: number[][] }[];
  choices: {
    doc: { choices: string[]; gold: number };
    results: [logLikelihood: string, isGreedy: boolean][];
    scores: object;
  }[];
  rolling: { page: string; text: string; scores: object }[];
} = JSON.parse(readFileSync("fixtures/evaluation/judging.json", "utf8"));

const written = (answer: string, target: string) => ({ answer, target, doc: {} });

describe("as the harness judges", () => {
  test.each(golden.filters)("filter $filter", ({ filter, answers }) => {
    expect(golden.answers.map((text) => applyFilter({ name: "", filter }, text))).toEqual(answers);
  });

  test.each(golden.generation)("metric $metric", ({ metric, scores }) => {
    for (const [i, target] of golden.targets.entries()) {
      for (const [j, answer] of golden.answers.entries()) {
        const { exact_match } = scoreItem("generate_until", written(answer, target), [metric]);
        expect(exact_match, JSON.stringify([target, answer])).toBe(scores[i]![j]);
      }
    }
  });

  test.each(golden.choices)("choices $doc.choices, of which $doc.gold", ({ doc, results, scores }) => {
    const answered = results.map(([value, isGreedy]) => ({
      logLikelihood: value === "-inf" ? Number.NEGATIVE_INFINITY : Number(value),
      isGreedy,
    }));
    const metrics: TaskMetric[] = [
      { metric: "acc" },
      { metric: "acc_norm" },
      { metric: "acc_bytes" },
      { metric: "exact_match" },
      { metric: "mcc" },
    ];
    expect(scoreItem("multiple_choice", { ...doc, results: answered }, metrics)).toEqual(scores);
  });

  test.each(golden.rolling)("the page $page", ({ page, text, scores }) => {
    const { doc_to_target } = wikitext.definition;
    expect(typeof doc_to_target === "function" && doc_to_target({ page })).toBe(text);
    const metrics: TaskMetric[] = [
      { metric: "word_perplexity" },
      { metric: "byte_perplexity" },
      { metric: "bits_per_byte" },
    ];
    const outcome = { original: page, logLikelihood: -12.5 };
    expect(scoreItem("loglikelihood_rolling", outcome, metrics)).toEqual(scores);
  });
});

describe("judging functions", () => {
  test.each([
    ["so it is 1,200.0", "#### 1200", 1],
    ["1 or 2", "1", 0],
    ["-3", "3", 0],
    ["none", "3", 0],
    ["none", "none", 0],
    ["costs $.5.", "0.5", 1],
  ])("%j has the number of %j: %d", (answer, target, score) => {
    const metric: TaskMetric = { metric: "judged", judge: "same_number" };
    expect(scoreItem("generate_until", written(answer, target), [metric])).toEqual({ judged: score });
  });

  test("a judge may be a function of the answer, the target and the document", () => {
    const judge = (answer: string, target: string) => answer.length / target.length;
    const metric: TaskMetric = { metric: "judged", judge };
    expect(scoreItem("generate_until", written("Pa", "Paris"), [metric])).toEqual({ judged: 0.4 });
  });

  test.each([
    ["It is PARIS.", 1],
    ["London", 0],
  ])("%j contains the target: %d", (answer, score) => {
    const metric: TaskMetric = { metric: "judged", judge: "contains_target" };
    expect(scoreItem("generate_until", written(answer, "Paris"), [metric])).toEqual({ judged: score });
  });
});

test("a metric of another type of item is refused", () => {
  expect(() => scoreItem("generate_until", written("", ""), [{ metric: "acc" }])).toThrow("acc");
});
