import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { applyFilter } from "./filters.ts";
import { judges } from "./judges.ts";
import { scoreGeneration, scoreMultipleChoice, scoreRolling } from "./metrics.ts";
import type { FilterStep, Instance, Metric } from "./task.ts";
import { wikitext } from "./tasks/wikitext.ts";

/** Made by the harness; see reference/harness_judging.py. */
const golden: {
  answers: string[];
  targets: string[];
  filters: { filter: FilterStep[]; answers: string[] }[];
  generation: { metric: Metric; scores: number[][] }[];
  choices: {
    doc: { choices: string[]; gold: number };
    results: [logLikelihood: string, isGreedy: boolean][];
    scores: object;
  }[];
  rolling: { page: string; text: string; scores: object }[];
} = JSON.parse(readFileSync("fixtures/evaluation/judging.json", "utf8"));

function generated(target: string): Instance {
  return {
    docId: 0,
    doc: {},
    target,
    requests: { type: "generate_until", context: "", options: { until: [] } },
  };
}

describe("as the harness judges", () => {
  test.each(golden.filters)("filter $filter", ({ filter, answers }) => {
    expect(golden.answers.map((text) => applyFilter({ name: "", filter }, text))).toEqual(answers);
  });

  test.each(golden.generation)("metric $metric", ({ metric, scores }) => {
    for (const [i, target] of golden.targets.entries()) {
      for (const [j, answer] of golden.answers.entries()) {
        const { exact_match } = scoreGeneration(generated(target), answer, [metric]);
        expect(exact_match, JSON.stringify([target, answer])).toBe(scores[i]![j]);
      }
    }
  });

  test.each(golden.choices)("choices $doc.choices, of which $doc.gold", ({ doc, results, scores }) => {
    const instance: Instance = {
      docId: 0,
      doc,
      target: doc.gold,
      requests: { type: "multiple_choice", pairs: [], choices: doc.choices, gold: doc.gold },
    };
    const answers = results.map(([value, isGreedy]) => ({
      logLikelihood: value === "-inf" ? Number.NEGATIVE_INFINITY : Number(value),
      isGreedy,
    }));
    const metrics: Metric[] = [
      { metric: "acc" },
      { metric: "acc_norm" },
      { metric: "acc_bytes" },
      { metric: "exact_match" },
    ];
    expect(scoreMultipleChoice(instance, answers, metrics)).toEqual(scores);
  });

  test.each(golden.rolling)("the page $page", ({ page, text, scores }) => {
    const { doc_to_target } = wikitext.definition;
    expect(typeof doc_to_target === "function" && doc_to_target({ page })).toBe(text);
    const instance: Instance = {
      docId: 0,
      doc: { page },
      target: text,
      requests: { type: "loglikelihood_rolling", text, original: page },
    };
    const metrics: Metric[] = [
      { metric: "word_perplexity" },
      { metric: "byte_perplexity" },
      { metric: "bits_per_byte" },
    ];
    expect(scoreRolling(instance, -12.5, metrics)).toEqual(scores);
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
    expect(judges.same_number!(answer, target, {})).toBe(score);
  });

  test("a judge's score is the item's", () => {
    const metric: Metric = { metric: "judged", judge: judges.contains_target! };
    expect(scoreGeneration(generated("Paris"), "It is PARIS.", [metric])).toEqual({ judged: 1 });
    expect(scoreGeneration(generated("Paris"), "London", [metric])).toEqual({ judged: 0 });
  });
});

test("a metric of another type of item is refused", () => {
  expect(() => scoreGeneration(generated(""), "", [{ metric: "acc" }])).toThrow("acc");
  expect(() => scoreRolling(generated(""), 0, [{ metric: "word_perplexity" }])).toThrow("rolling");
});
