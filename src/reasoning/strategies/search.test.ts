import { describe, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import { showTree } from "../../search/show-tree.ts";
import type { SearchNode } from "../../search/tree.ts";
import { ruleScorer, type SolutionScorer } from "../scorer.ts";
import { type ScriptedWriter, scriptedWriter, solve as solveWith } from "../scripted-writer.fixture.ts";
import { begunText, type Writer, type Written } from "../writer.ts";
import { splitSteps } from "./steps.ts";
import { parseStrategy } from "./strategies.ts";

/** A scorer whose rewards are given by the step; each takes as many tokens as it has characters, and a question 3. */
const scriptedScorer = (rewards: Readonly<Record<string, number>>) => {
  const asked: { path?: readonly string[]; steps: readonly string[] }[] = [];
  const rate = (steps: readonly string[]) => ({
    rewards: steps.map((step) => rewards[step] ?? 0.5),
    tokens: steps.reduce((sum, step) => sum + step.length, 0),
  });
  const scorer: SolutionScorer = {
    ...{ identity: "scripted", name: "a script" },
    async score(_, path, steps) {
      asked.push({ path, steps });
      return rate(steps);
    },
    async judge(_, steps) {
      asked.push({ steps });
      return rate(steps);
    },
    countQuestion: () => 3,
    mostTokens: (written) => 10 * written,
  };
  return { scorer, asked };
};

/** What may follow each path, drawn in turn; "." behind a text ends it. */
const writing = (next: Readonly<Record<string, readonly string[]>>): ScriptedWriter => {
  const drawn = new Map<string, number>();
  return scriptedWriter(({ begun = [] }) => {
    const path = begun.join("");
    const number = drawn.get(path) ?? 0;
    drawn.set(path, number + 1);
    const texts = next[path] ?? ["."];
    const text = texts[number % texts.length]!;
    const isEnded = text.endsWith(".");
    return { text: isEnded ? text.slice(0, -1) : text, isEnded, tokens: 4 };
  });
};

/** The first step that looks best leads to a wrong answer, that is unlikely to be right. */
const trap = {
  "": ["a", "b"],
  "a\n": ["#### 5.", "c"],
  "b\n": ["#### 7.", "c"],
};
const trapRewards = { a: 0.9, b: 0.8, "#### 5": 0.1, "#### 7": 0.9, c: 0.05 };

const solve = (name: string, writer: Writer, rewards: Record<string, number>, settings = {}) =>
  solveWith(parseStrategy(name), writer, settings, { scorer: scriptedScorer(rewards).scorer });
const shapeOf = ({ nodes }: { nodes: readonly SearchNode[] }) =>
  nodes.map(({ parent, text, reward, draws, state }) => [parent, text, reward, draws, state]);

describe("MindStar", () => {
  test("a beam keeps to the best step, Levin goes back", async () => {
    const { solution } = await solve("mstar-beam:2", writing(trap), trapRewards);
    expect(solution).toMatchObject({
      answer: "5",
      text: "a\n#### 5",
      details: { expanded: 2, end: "answer" },
    });
    const levin = await solve("mstar-levin:2", writing(trap), trapRewards);
    expect(levin.solution).toMatchObject({ answer: "7", text: "b\n#### 7", details: { expanded: 3 } });
    expect(shapeOf(levin.solution.trees![0]!)).toEqual([
      [null, "", null, 0, "expanded"],
      [0, "a", 0.9, 1, "expanded"],
      [0, "b", 0.8, 1, "expanded"],
      [1, "#### 5", 0.1, 1, "answer"],
      [1, "c", 0.05, 1, "open"],
      [2, "#### 7", 0.9, 1, "answer"],
      [2, "c", 0.05, 1, "open"],
    ]);
  });

  test("a wider beam keeps more", async () => {
    const { solution } = await solve("mstar-beam:2:2", writing(trap), trapRewards);
    expect(solution).toMatchObject({ answer: "7", details: { expanded: 3 } });
  });

  test("steps that are drawn alike are one, and only what is new is scored", async () => {
    const { scorer, asked } = scriptedScorer({});
    const writer = writing({ "": ["a", "a ", "b", "a"], "a\n": ["#### 7."] });
    const strategy = parseStrategy("mstar-beam:4");
    const { solution, meter, computed } = await solveWith(strategy, writer, {}, { scorer });
    expect(solution.details).toMatchObject({ alike: 2 + 3, steps: 3 });
    expect(asked).toEqual([
      { path: [], steps: ["a"] },
      { path: [], steps: ["b"] },
      { path: ["a"], steps: ["#### 7"] },
    ]);
    // 8 draws of 4 tokens; scores of 1 + 1 + 6; the question once for the writer, and for the scorer.
    expect(meter).toMatchObject({ completionTokens: 32, verifierTokens: 3 + 8, promptTokens: 80, calls: 11 });
    expect(computed).toBe(10 + 32 + 3 + 8);
  });

  test("every draw of a search is another, and a tree adds up to what was metered", async () => {
    const writer = writing(trap);
    const { solution, meter } = await solve("forest:2:2:levin", writer, trapRewards);
    expect(new Set(writer.asked.map(({ seed }) => seed)).size).toBe(writer.asked.length);
    const nodes = solution.trees!.flatMap((tree) => tree.nodes);
    const sum = (name: "writtenTokens" | "scoredTokens") =>
      nodes.reduce((total, node) => total + node[name], 0);
    expect([sum("writtenTokens"), 3 + sum("scoredTokens")]).toEqual([
      meter.completionTokens,
      meter.verifierTokens,
    ]);
    for (const { maxTokens, stop } of writer.asked) expect([maxTokens, stop]).toEqual([96, ["\n\n", "\n"]]);
  });

  test("trees of a forest vote with the products of their rewards", async () => {
    const writer = writing({ "": ["a", "b", "c"], "a\n": ["#### 5."], "b\n": ["#### 7."], "c\n": ["so 7."] });
    const rewards = { a: 0.9, b: 0.6, c: 0.5 };
    const { solution } = await solve("forest:3:1", writer, rewards);
    expect(solution).toMatchObject({ answer: "7", text: "b\n#### 7", details: { expanded: 6 } });
    const { solution: other } = await solve("forest:3:1", writer, { ...rewards, a: 1, b: 0.4, c: 0.4 });
    expect(other.answer).toBe("5");
  });
});

test("all answers among the last draws of independent beams vote with their last rewards", async () => {
  const writer = writing({
    "": ["a", "b"],
    "a\n": ["#### 5.", "#### 7.", "#### 5.", "#### 7."],
    "b\n": ["#### 9."],
  });
  const rewards = { a: 0.9, b: 0.1, "#### 5": 0.5, "#### 7": 0.4 };
  const { solution } = await solve("dvts:4:2", writer, rewards);
  expect(solution).toMatchObject({ answer: "5", details: { expanded: 4 } });
  expect(solution.trees).toHaveLength(2);
  const { solution: other } = await solve("dvts:4:2", writer, { ...rewards, "#### 5": 0.3 });
  expect(other.answer).toBe("7");
});

describe("a step is a line", () => {
  test("its end may be CRLF, and blank lines before it stay with it, cost what they cost, and are not scored", async () => {
    const writer = writing({
      "": [""],
      "\n": [" \r"],
      "\n\n": ["3 + 4 = 7\r"],
      "\n\n3 + 4 = 7\n": ["#### 7."],
    });
    const { solution, meter } = await solve("mstar-beam:1", writer, {});
    expect(solution).toMatchObject({ answer: "7", text: "\n\n3 + 4 = 7\n#### 7" });
    expect(writer.asked.map(({ after, maxTokens }) => [after, maxTokens])).toEqual([
      ["", 96],
      ["\n", 92],
      ["\n\n", 88],
      ["\n\n3 + 4 = 7\n", 96],
    ]);
    expect(solution.trees![0]!.nodes[1]).toMatchObject({ text: "\n\n3 + 4 = 7", writtenTokens: 12 });
    expect(meter.completionTokens).toBe(16);
    expect(meter.verifierTokens).toBe(3 + "3 + 4 = 7".length + "#### 7".length);
    expect(showTree(solution.trees![0]!).split("\n")).toHaveLength(3);
    expect(splitSteps("\r\n3 + 4 = 7\r\n\r\n#### 7\n")).toEqual(["3 + 4 = 7", "#### 7"]);
  });

  test("a blank line that was written with its end stays in the path, and is not scored", async () => {
    const lines: Readonly<Record<string, { text: string; stopString?: string }>> = {
      "": { text: "3 + 4 = 7", stopString: "\n\n" },
      "3 + 4 = 7\n\n": { text: "The answer is: 7" },
    };
    const writer = scriptedWriter(({ begun }) => ({ ...lines[begunText(begun)]!, isEnded: false }));
    const { solution, meter } = await solve("mstar-beam:1", writer, {});
    expect(solution).toMatchObject({ answer: "7", text: "3 + 4 = 7\n\nThe answer is: 7" });
    expect(meter.verifierTokens).toBe(3 + "3 + 4 = 7".length + "The answer is: 7".length);
    expect(showTree(solution.trees![0]!).split("\n")).toHaveLength(3);
  });

  test("a text may end behind the last line's end, and an answer that is marked is complete with its line", async () => {
    const behind = await solve("mstar-beam:1", writing({ "": ["so it is 7"], "so it is 7\n": ["."] }), {});
    expect(behind.solution).toMatchObject({ answer: "7", text: "so it is 7" });
    expect(behind.meter.verifierTokens).toBe(3 + "so it is 7".length);
    const marked = await solve("mstar-beam:1", writing({ "": ["The answer is: 7 pens"] }), {});
    expect(marked.solution).toMatchObject({ answer: "7", details: { expanded: 1 } });
  });

  test("of a server that does not say what has ended a text, an empty one is the end", async () => {
    const texts = ["so it is 7", ""];
    const writer = scriptedWriter((_, number) => texts[number]!);
    const { solution } = await solve("mstar-beam:1", writer, {});
    expect(solution).toMatchObject({ answer: "7", text: "so it is 7" });
  });

  test("one that is cut is no step, and its numbers no answer", async () => {
    const writer = scriptedWriter(() => ({ text: "3 and 4 make 7", reason: "length", tokens: 5 }));
    const { solution } = await solve("mstar-levin:3", writer, {}, { stepTokens: 5 });
    expect(solution).toMatchObject({ answer: undefined, isCut: true, text: "" });
    expect(solution.details).toMatchObject({ steps: 1, cutSteps: 1, alike: 2, answers: 0, end: "exhausted" });
  });
});

test("a model that never answers is stopped by the depth, or by the budget", async () => {
  const writer = () => scriptedWriter((_, number) => ({ text: `and ${number}`, isEnded: false, tokens: 2 }));
  const deep = await solve("mstar-beam:2", writer(), {}, { maxSteps: 3 });
  expect(deep.solution).toMatchObject({ answer: undefined, isCut: true, text: "and 0\nand 2" });
  expect(deep.solution.details).toMatchObject({ expanded: 3, deadEnds: 2, answers: 0, end: "exhausted" });
  const dear = await solve("mstar-levin:2@500", writer(), {}, { stepTokens: 4 });
  expect(dear.solution.details).toMatchObject({ answers: 0, end: "budget" });
});

describe("whole solutions by rewards", () => {
  const texts = ["a\r\n#### 5", "b\n\n#### 7", "c\n#### 7", "b\n\n#### 7", "d and 7"];
  const drawing = () =>
    scriptedWriter((_, number) =>
      number === 4 ? { text: texts[4]!, reason: "length" } : texts[number % texts.length]!,
    );
  const rewards = { a: 0.2, "#### 5": 0.9, b: 0.6, "#### 7": 0.5, c: 0.4, d: 1, "d and 7": 1 };

  test.each([
    ["prm-bon:5", "5", "a\r\n#### 5", 0.9],
    ["prm-bon:5:min", "7", "b\n\n#### 7", 0.5],
    ["prm-bon:5:product", "7", "b\n\n#### 7", 0.3],
    ["weighted-bon:5", "7", "b\n\n#### 7", 0.5],
    ["weighted-bon:2:product", "7", "b\n\n#### 7", 0.3],
    ["weighted-bon:2", "5", "a\r\n#### 5", 0.9],
  ])("%s", async (name, answer, text, reward) => {
    const { solution } = await solve(name, drawing(), rewards);
    expect(solution).toMatchObject({ answer, text, details: { reward } });
  });

  test("those drawn alike are scored once, and one that is cut gives no answer", async () => {
    const { scorer, asked } = scriptedScorer(rewards);
    const { solution } = await solveWith(parseStrategy("prm-bon:5"), drawing(), {}, { scorer });
    expect(asked.map(({ steps }) => steps.join("|"))).toEqual([
      "a|#### 5",
      "b|#### 7",
      "c|#### 7",
      "d and 7",
    ]);
    expect(solution.details).toMatchObject({ samples: 5, complete: 4 });
    const cut = await solve(
      "weighted-bon:2",
      scriptedWriter(() => ({ text: "7", reason: "length" })),
      {},
    );
    expect(cut.solution).toMatchObject({ answer: undefined, isCut: true, details: { complete: 0 } });
  });
});

describe("a budget", () => {
  const names = ["sc:40", "bon:40", "prm-bon:40", "weighted-bon:40", "mstar-beam:8", "mstar-levin:8"];
  const answering = () =>
    scriptedWriter(({ begun = [], seed }) => {
      const depth = begun.join("").split("\n").length - 1;
      const text = depth > 4 ? `#### ${seed % 3}` : `step ${seed % 7}`;
      return { text, isEnded: depth > 4, tokens: 2 + (seed % 9), meanLogprob: -1 } satisfies Partial<Written>;
    });

  test.each([...names, "forest:3:4", "dvts:8:2"])("of %s is never exceeded, and used", async (name) => {
    const settings = { maxTokens: 30, stepTokens: 12 };
    for (const budget of [541, 700, 1300]) {
      const { computed } = await solve(`${name}@${budget}`, answering(), {}, settings);
      expect(computed).toBeLessThanOrEqual(budget);
      // What is left has not room for another text with its scores; a search may also be done.
      if (["sc:40", "bon:40"].includes(name)) expect(computed).toBeGreaterThan(Math.min(budget - 30, 200));
    }
  });

  test("that has no room for the first text is refused with numbers", async () => {
    const settings = { maxTokens: 30, stepTokens: 12 };
    const refusals = [
      ["sc:4@35", "its budget leaves 25 tokens beside the question, of which the first text may take 30;"],
      [
        "prm-bon:4@300",
        "its budget leaves 287 tokens beside the question, of which the first text may take 330;",
      ],
      [
        "mstar-levin:4@130",
        "its budget leaves 117 tokens beside the question, but the first step may take 132;",
      ],
      [
        "forest:3:4@399",
        "its budget leaves 386 tokens beside the question, but the first steps of 3 trees may take 396;",
      ],
    ] as const;
    for (const [name, message] of refusals)
      await expect(solve(name, answering(), {}, settings), name).rejects.toThrow(message);
  });

  test("only some strategies can be held to one", () => {
    expect(parseStrategy("sc:8@4000")).toMatchObject({ name: "sc:8@4000", budget: 4000 });
    expect(() => parseStrategy("cod@400")).toThrow(
      /^The strategy cod cannot be held to a budget of 400 tokens; sc, bon, prm-bon, /,
    );
    expect(() => parseStrategy("dvts:6:4")).toThrow(
      new InputError(
        "The strategy dvts:6:4: 6 draws a step cannot be shared by trees of 4 draws; take a multiple of 4.",
      ),
    );
  });
});

test("the rule of true equations scores what was calculated so far", async () => {
  const scorer = ruleScorer("equations");
  const path = ["Let us see.", "3 + 4 = 7"];
  const { rewards, tokens } = await scorer.score("?", path, ["7 + 1 = 9", "so it is 9", "9 - 2 = 7"]);
  expect(rewards).toEqual([1 / 2, 1, 1]);
  expect(tokens).toBe(0);
  const judged = await scorer.judge("?", [...path, "7 + 1 = 9", "so it is 9", "9 - 2 = 7"]);
  expect(judged.rewards).toEqual([1 / 2, 1, 1 / 2, 1 / 2, 2 / 3]);
  expect(() => ruleScorer("equation")).toThrow('There is no scorer "equation"; do you mean equations?');
});

test("a scorer that gives too few rewards is told from one that works", async () => {
  const none = async () => ({ rewards: [], tokens: 0 });
  const scorer: SolutionScorer = { identity: "short", name: "a short scorer", score: none, judge: none };
  await expect(solveWith(parseStrategy("mstar-beam:1"), writing(trap), {}, { scorer })).rejects.toThrow(
    "a short scorer gives 0 rewards for 1 steps; it must give one for each.",
  );
});
