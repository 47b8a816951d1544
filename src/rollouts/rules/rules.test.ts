import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadDataset } from "../../node/data/load-dataset.ts";
import { openModel } from "../../node/models/open-model.ts";
import { inPlainText, makeGroup } from "../hand-made.fixture.ts";
import type { RolloutGroup } from "../rollout.ts";
import { selectCorrect, selectShortestCorrect } from "./correct.ts";
import { selectLengthPrompts } from "./l1.ts";
import { prunerWeight, selectPruned, standardize } from "./o1-pruner.ts";
import { selectPairs } from "./pairs.ts";
import { parseRule } from "./rules.ts";
import {
  pruneWords,
  type ScoredWord,
  selectTokenSkip,
  splitConclusion,
  tokenSkipRatios,
} from "./tokenskip.ts";

const { tokenizer } = await openModel("fixtures/embedded-model");
const scratch = mkdtempSync(join(tmpdir(), "slimtune-rules-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const groups = [
  makeGroup(0, [40, true], [20, true], [90, true], [10, false]),
  makeGroup(1, [30, true], [25, false]),
  makeGroup(2, [30, false], [35, false]),
  makeGroup(3, [30, true], [30, true]),
  makeGroup(4, [12, true, { truncated: true }], [50, true], [60, true]),
];

/** The only message's. */
const contentOf = (messages: unknown) => (messages as { content: string }[])[0]!.content;

const solutionsOf = ({ solutions }: { readonly solutions: RolloutGroup }) =>
  solutions.map(({ problem, sample }) => `${problem}.${sample}`);

describe("right solutions", () => {
  test("the shortest of each problem with two right ones, none of which was cut", () => {
    const selection = selectShortestCorrect(groups);
    expect(solutionsOf(selection)).toEqual(["0.1", "3.0", "4.1"]);
    expect(selection.rows[0]).toEqual({
      prompt: [{ role: "user", content: "Tom has 0 pens and buys 4. How many pens has he?" }],
      completion: [{ role: "assistant", content: "Solution 1: Tom has 0 and 4 pens.\n#### 4" }],
    });
    expect(selection.leftOut).toEqual({
      "problems without a right solution": 1,
      "problems with fewer than 2 right solutions": 1,
    });
    expect(solutionsOf(selectShortestCorrect(groups, { correct: 1 }))).toEqual(["0.1", "1.0", "3.0", "4.1"]);
  });

  test("all of the same problems, each text once, or some that are drawn", () => {
    expect(solutionsOf(selectCorrect(groups))).toEqual(["0.1", "0.0", "0.2", "3.0", "3.1", "4.1", "4.2"]);
    const alike = [makeGroup(0, [5, true, { text: "4" }], [5, true, { text: "4" }], [7, true])];
    expect(solutionsOf(selectCorrect(alike))).toEqual(["0.0", "0.2"]);
    const many = Array.from({ length: 300 }, (_, i) => makeGroup(i, [9, true], [8, true], [7, true]));
    const drawn = selectCorrect(many, { each: 1, seed: 3 });
    expect(drawn).toEqual(selectCorrect(many, { each: 1, seed: 3 }));
    const times = [0, 1, 2].map((number) => drawn.solutions.filter(({ sample }) => sample === number).length);
    expect(times.reduce((sum, count) => sum + count)).toBe(300);
    expect(Math.min(...times)).toBeGreaterThan(70);
  });
});

describe("O1-Pruner", () => {
  const golden: {
    readonly alpha: number;
    readonly lowest: number;
    readonly highest: number;
    readonly groups: readonly {
      readonly tokens: readonly number[];
      readonly correct: readonly boolean[];
      readonly weights: readonly number[];
    }[];
    readonly standardized: readonly number[];
  }[] = JSON.parse(readFileSync("fixtures/rollouts/o1-pruner.json", "utf8"));

  test.each(golden)("its weights are NumPy's: alpha $alpha", ({ groups, standardized, ...options }) => {
    for (const { tokens, correct, weights } of groups) {
      const group = tokens.map((count, i) => ({ tokens: count, correct: correct[i]! }));
      for (const [i, solution] of group.entries())
        expect(prunerWeight(solution, group, options)).toBeCloseTo(weights[i]!, 12);
    }
    for (const [i, value] of standardize(groups.flatMap(({ weights }) => weights.slice(0, 2))).entries())
      expect(value).toBeCloseTo(standardized[i]!, 12);
  });

  test("takes two of each problem, and as rows those that are right and have a weight above 0", () => {
    const { rows, solutions, leftOut } = selectPruned(groups);
    expect(rows.length).toBeGreaterThan(1);
    for (const [i, { weight }] of rows.entries()) {
      expect(weight).toBeGreaterThan(0);
      expect(solutions[i]).toMatchObject({ correct: true, truncated: false });
    }
    const { "solutions that were not drawn": undrawn, ...drawn } = leftOut;
    expect(undrawn).toBe(groups.flat().length - 2 * groups.length);
    expect(Object.values(drawn).reduce((sum, count) => sum + count, rows.length)).toBe(2 * groups.length);
    expect(selectPruned(groups, { seed: 1 }).solutions).not.toEqual(solutions);
  });

  test("takes all of a problem with fewer, and nothing where all weights are alike", () => {
    const [alike] = [makeGroup(0, [30, true], [30, true])];
    expect(selectPruned([alike], { each: 5 })).toMatchObject({
      rows: [],
      leftOut: { "solutions with no weight above 0": 2 },
    });
  });
});

describe("pairs", () => {
  const pairsOf = (kind: "short-long" | "right-wrong" | "mixed", from = groups) => {
    const { rows, solutions, leftOut } = selectPairs(from, { kind });
    const chosen = solutionsOf({ solutions });
    return {
      pairs: rows.map(({ rejected }, i) => `${chosen[i]} > ${contentOf(rejected).slice(9, 10)}`),
      leftOut,
    };
  };

  test("the shortest right one against the longest right one", () => {
    expect(pairsOf("short-long")).toEqual({
      pairs: ["0.1 > 2", "4.1 > 2"],
      leftOut: {
        "problems with one right solution": 1,
        "problems without a right solution": 1,
        "problems whose right solutions are equally long": 1,
      },
    });
  });

  test("a right one against a wrong one", () => {
    const { pairs, leftOut } = pairsOf("right-wrong");
    expect(pairs).toEqual([expect.stringMatching(/^0\.[012] > 3$/), "1.0 > 1"]);
    expect(leftOut).toEqual({
      "problems without a right solution": 1,
      "problems without a wrong solution": 2,
    });
  });

  test("both", () => {
    const { pairs } = pairsOf("mixed");
    expect(pairs).toEqual(["0.1 > 2", expect.stringMatching(/^0\.[012] > 3$/), "1.0 > 1", "4.1 > 2"]);
  });

  test("none of answers that differ in space alone, or of an empty one", () => {
    const spaced = makeGroup(0, [5, true, { text: "#### 4" }], [6, true, { text: "#### 4\n" }]);
    const empty = makeGroup(1, [5, true], [1, false, { text: " " }]);
    expect(pairsOf("mixed", [spaced, empty])).toEqual({
      pairs: [],
      leftOut: { "pairs of solutions that are alike, or one of them empty": 2 },
    });
  });
});

describe("L1's prompts", () => {
  const [group] = groups;

  test("ask for the length of the solution behind the question", () => {
    const { rows } = selectLengthPrompts([group!]);
    expect(rows.map(({ prompt }) => prompt)).toEqual(
      [20, 40, 90].map((tokens) => [
        { role: "user", content: `${group![0]!.question}\nThink for ${tokens} tokens.` },
      ]),
    );
    expect(selectLengthPrompts(inOne(inPlainText(group!))).rows[0]!.prompt).toBe(
      `Question: ${group![0]!.question}\nThink for 20 tokens.\nAnswer:`,
    );
  });

  test("stand behind an instruction in its line", () => {
    const instructed = group!.map((rollout) => ({
      ...rollout,
      prompt: [
        { role: "system", content: "You calculate." },
        { role: "user", content: `${rollout.question}\nThink step by step.` },
      ],
    }));
    expect(selectLengthPrompts([instructed]).rows[0]!.prompt).toEqual([
      { role: "system", content: "You calculate." },
      { role: "user", content: `${group![0]!.question}\nThink step by step. Think for 20 tokens.` },
    ]);
  });

  test("or for at most so many", () => {
    const { rows, solutions } = selectLengthPrompts(groups, { form: "max" });
    for (const [i, { prompt }] of rows.entries()) {
      const most = Number(/Think for maximum (\d+) tokens\.$/.exec(JSON.stringify(prompt).slice(0, -3))![1]);
      expect(most).toBeGreaterThanOrEqual(solutions[i]!.tokens);
      expect(most).toBeLessThanOrEqual(2 * solutions[i]!.tokens);
    }
  });
});

const inOne = (group: RolloutGroup) => [group];

describe("TokenSkip", () => {
  /** Long words surprise, and are of as many tokens as they have pairs of letters. */
  const score = async (text: string): Promise<ScoredWord[]> =>
    (text.match(/\s*\S+/g) ?? []).map((word) => {
      const { length } = word.trim();
      const tokens = Math.ceil(length / 2);
      return { text: word, tokens, surprisal: tokens * length };
    });

  test("keeps the most surprising words in their order, up to the share of tokens", async () => {
    const words = await score("one three, seven of eleven");
    expect(words.map(({ tokens }) => tokens)).toEqual([2, 3, 3, 1, 3]);
    expect(pruneWords(words, 0.2)).toBe("three,");
    expect(pruneWords(words, 0.5)).toBe("three, eleven");
    expect(pruneWords(words, 0.6)).toBe("three, seven eleven");
    expect(pruneWords(words, 1)).toBe("one three, seven of eleven");
    expect(pruneWords(await score(" one\nthree"), 0.4)).toBe(" three");
  });

  test("leaves the line with the answer as it is", () => {
    expect(splitConclusion("a b\nc\n#### 4")).toEqual({ reasoning: "a b\nc", conclusion: "\n#### 4" });
    expect(splitConclusion("a\n\nThe answer is: $\\boxed{4}$\n")).toEqual({
      reasoning: "a",
      conclusion: "\n\nThe answer is: $\\boxed{4}$\n",
    });
    expect(splitConclusion("4 + 4 = 8").conclusion).toBe("");
  });

  test("prunes the first right solution of each problem", async () => {
    const { rows, solutions, leftOut } = await selectTokenSkip(groups, score, { ratio: 0.5 });
    expect(solutionsOf({ solutions })).toEqual(["0.0", "1.0", "3.0", "4.1"]);
    expect(rows[0]).toEqual({
      prompt: [{ role: "user", content: "Tom has 0 pens and buys 4. How many pens has he?" }],
      completion: [{ role: "assistant", content: "Solution Tom pens.\n#### 4" }],
    });
    expect(leftOut).toEqual({ "problems without a right solution": 1 });
    const unmarked = [makeGroup(0, [5, true, { text: "0 + 4 = 4" }])];
    expect((await selectTokenSkip(unmarked, score)).leftOut).toEqual({
      "problems whose solution has no line with a marked answer behind its reasoning": 1,
    });
  });

  test("draws a ratio for each question that says it, but for 1", async () => {
    const many = Array.from({ length: 120 }, (_, i) => makeGroup(i, [9, true]));
    const { rows, solutions } = await selectTokenSkip(many, score);
    const ratios = rows.map(({ prompt, completion }, i) => {
      const [content, answer] = [prompt, completion].map(contentOf);
      const [, ratio = "1"] = /<\|eot_id\|>(.*)<\|eot_id\|>$/.exec(content!) ?? [];
      expect(answer === solutions[i]!.text).toBe(ratio === "1");
      return Number(ratio);
    });
    for (const ratio of tokenSkipRatios)
      expect(ratios.filter((drawn) => drawn === ratio).length, `${ratio}`).toBeGreaterThan(8);
  });
});

describe("rules by name", () => {
  test("have options with defaults, of which the first may stand alone", () => {
    expect(parseRule("o1-pruner")).toMatchObject({
      options: { alpha: 5, each: 2, lowest: -2, highest: 4, seed: 0 },
    });
    expect(parseRule("o1-pruner:2,each=3").options).toMatchObject({ alpha: 2, each: 3 });
    expect(parseRule("pairs:short-long").options).toEqual({ kind: "short-long", seed: 0 });
    expect(parseRule("tokenskip:0.7")).toMatchObject({ options: { ratio: 0.7 }, needsModel: true });
    expect(parseRule("correct:each=1").options).toEqual({ each: 1, correct: 2, seed: 0 });
    expect(parseRule("l1:max").options).toMatchObject({ form: "max" });
  });

  test.each([
    ["shortest", 'There is no rule "shortest"; do you mean correct?'],
    [
      "pairs:long",
      'The rule "pairs:long": the option "kind" is the text "long"; give "short-long", "right-wrong" or "mixed".',
    ],
    ["o1-pruner:alpha=x", 'The rule "o1-pruner:alpha=x": the option "alpha" is the text "x"; give a number.'],
    ["l1:exact,most=3", 'The rule "l1:exact,most=3": there is no option "most"; the options are form, seed.'],
    ["tokenskip:1.5", 'The rule "tokenskip:1.5": the option "ratio" is 1.5; it must be at most 1.'],
    ["correct:2,3", 'The rule "correct:2,3": "3" is no option; it is asked for as correct[:each=N'],
  ])("%s is refused in a sentence", (text, message) => {
    expect(() => parseRule(text)).toThrow(message);
  });

  const texts = ["shortest-correct", "correct", "o1-pruner", "pairs", "tokenskip:0.7", "tokenskip", "l1"];
  test.each(
    texts.flatMap((rule) => [
      { rule, form: "chats" },
      { rule, form: "texts" },
    ]),
  )("rows of $rule from $form are read by tune as they are", async ({ rule, form }) => {
    const score = async (text: string) =>
      (text.match(/\s*\S+/g) ?? []).map((word, i) => ({ text: word, tokens: 1, surprisal: i }));
    const { rows } = await parseRule(rule).select(form === "chats" ? groups : groups.map(inPlainText), score);
    const path = join(scratch, `${rule.replace(":", "-")}-${form}.jsonl`);
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { report } = await loadDataset(path, {
      tokenizer,
      context: 512,
      learnsFrom: rule === "pairs" ? "pairs" : "texts",
      applyChatTemplate: form === "chats",
    });
    expect(report).toMatchObject({
      examples: rows.length,
      ignored: [],
      weighted: rule === "o1-pruner" ? rows.length : 0,
    });
  });
});
