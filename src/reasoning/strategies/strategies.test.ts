import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import type { CodeRunner } from "../../sandbox/code-runner.ts";
import { mathematicalJudge } from "../judge.ts";
import { defaultSettings } from "../run-reasoning.ts";
import { countWords, problem, scriptedWriter, solve } from "../scripted-writer.fixture.ts";
import { type DynasorSetting, dynasorSettings, mayStop, untilUnpairedBrace } from "./dynasor.ts";
import { thresholdFor } from "./route.ts";
import { parseStrategy, strategies } from "./strategies.ts";
import { searchBudget } from "./tale.ts";

/** Made by reference/reasoning.py. */
const golden: {
  readonly searches: readonly {
    readonly length: number;
    readonly budgets: readonly number[];
    readonly tokens: readonly number[];
    readonly rights: readonly boolean[];
    readonly tried: readonly number[];
    readonly best: number | null;
  }[];
  readonly streams: readonly ({
    readonly probes: readonly string[];
    readonly answers: readonly string[];
  } & Record<"letters" | "words", Record<DynasorSetting, number | null>>)[];
} = JSON.parse(readFileSync("fixtures/reasoning.json", "utf8"));

describe("one text", () => {
  test("chain of thought is asked for under the run's instruction, with examples in its manner", async () => {
    const writer = scriptedWriter(() => "3 + 4 = 7 #### 7");
    const { solution, meter } = await solve(parseStrategy("cot"), writer, { examples: 1, maxTokens: 50 });
    expect(solution).toEqual({ answer: "7", text: "3 + 4 = 7 #### 7", isCut: false });
    const [{ messages, ...request }] = writer.asked as [(typeof writer.asked)[0]];
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
    expect(messages[2]!.content).toBe("What is 3 + 4?\nLet's think step by step.");
    expect(request).toEqual({ maxTokens: 50, seed: 0, after: "" });
    expect(meter).toEqual({
      promptTokens: 10,
      computedPromptTokens: 10,
      completionTokens: 7,
      verifierTokens: 0,
      calls: 1,
      seconds: 0.5,
    });
  });

  test.each([
    ["cod", /minimum draft/, /^6 \* 8 = 48; /],
    ["ccot", /step by step\. Be concise\.$/, /^6 \* 8 = 48 rolls, less/],
  ])("%s has its instruction and its examples", async (name, instruction, example) => {
    const writer = scriptedWriter(() => "7");
    await solve(parseStrategy(name), writer, { examples: 1 });
    const [{ messages }] = writer.asked as [(typeof writer.asked)[0]];
    expect(messages[2]!.content).toMatch(instruction);
    expect(messages[1]!.content).toMatch(example);
  });

  test("a cut solution has the tokens as its aim", async () => {
    const writer = scriptedWriter(({ maxTokens }) => ({
      text: "3 + 4",
      tokens: maxTokens,
      reason: "length",
    }));
    const { solution } = await solve(parseStrategy("cut:12"), writer);
    expect(solution).toMatchObject({ answer: "4", isCut: true, target: { tokens: 12, used: 12 } });
  });
});

describe("TALE", () => {
  test("the model's own budget is asked for, and both texts are paid", async () => {
    const writer = scriptedWriter((_, number) => (number === 0 ? "Budget: [[12]]" : "It is 7"));
    const { solution, meter } = await solve(parseStrategy("tale"), writer);
    expect(writer.asked[1]!.messages[0]!.content).toMatch(/use less than 12 tokens\.$/);
    expect(solution).toMatchObject({ answer: "7", target: { tokens: 12, used: 3 }, details: { budget: 12 } });
    expect(meter.completionTokens).toBe(5);
  });

  test("without a budget the question is asked as ever", async () => {
    const writer = scriptedWriter(() => "no idea, 7");
    const { solution } = await solve(parseStrategy("tale"), writer);
    expect(solution).toMatchObject({ answer: "7", details: { budget: "none was given" } });
    expect(solution.target).toBeUndefined();
  });

  test.each(golden.searches)("a budget is searched from $length tokens as the paper does", async (each) => {
    const { length, budgets, tokens, rights, tried, best } = each;
    const found = await searchBudget<number | null>(length, null, async (budget) => {
      const i = budgets.indexOf(budget);
      return { value: budget, tokens: tokens[i]!, isRight: rights[i]! };
    });
    expect(found).toEqual({ best, budgets: tried });
  });

  test("the search knows what is right, and no other strategy may", async () => {
    const lengths = [40, 18, 9, 9];
    const writer = scriptedWriter((_, number) => ({ text: "so 7", tokens: lengths[number]! }));
    const strategy = parseStrategy("tale-search");
    expect(strategy.isOracle).toBe(true);
    const { solution, meter } = await solve(strategy, writer);
    expect(solution).toMatchObject({ target: { tokens: 10, used: 9 }, details: { budgets: "20 10 5" } });
    expect(meter.completionTokens).toBe(40 + 18 + 9 + 9);
    const peeking = {
      name: "peeking",
      solve: async (_: unknown, tools: { isRight(answer: string): boolean }) => {
        tools.isRight("7");
        return { answer: "7", text: "" };
      },
    };
    await expect(solve(peeking, writer)).rejects.toThrow("it asks what is right");
  });
});

describe("budgets", () => {
  const cue = { answerCue: " So the answer is" };

  test("a solution that is not done is cut, and the answer asked for", async () => {
    const writer = scriptedWriter(({ maxTokens }, number) =>
      number === 0 ? { text: "three and four", tokens: maxTokens, reason: "length" } : " 7",
    );
    const { solution, meter } = await solve(parseStrategy("budget:20"), writer, cue);
    expect(writer.asked[0]).toMatchObject({ maxTokens: 20, stopAfterThoughts: true });
    expect(writer.asked[1]!.after).toBe("three and four So the answer is");
    expect(solution).toMatchObject({
      answer: "7",
      text: "three and four So the answer is 7",
      isCut: false,
      target: { tokens: 20, used: 20 },
      details: { forced: true },
    });
    expect(meter.completionTokens).toBe(21);
  });

  test("one that is done stays as it is", async () => {
    const writer = scriptedWriter(() => "3 + 4 = 7");
    const { solution, meter } = await solve(parseStrategy("budget:20"), writer, cue);
    expect(solution).toMatchObject({ answer: "7", details: { forced: false } });
    expect(meter.calls).toBe(1);
  });

  test("thoughts are ended by what ends them in the model, and the answer has all the room of a solution", async () => {
    const writer = scriptedWriter((_, number) =>
      number === 0
        ? { text: "<think>three", reason: "length", ids: [5, 6], openThoughts: "</think>" }
        : "It is 7.",
    );
    const { solution } = await solve(parseStrategy("budget:20"), writer, { ...cue, maxTokens: 99 });
    const begun = writer.asked[1]!.begun!;
    expect(begun[0]).toMatchObject({ ids: [5, 6] });
    expect(begun[1]).toBe("</think>");
    expect(writer.asked[1]!.maxTokens).toBe(99);
    expect(solution).toMatchObject({ answer: "7", text: "<think>three</think>It is 7." });
  });

  test("a budget below what asks for the answer is refused", () => {
    const writer = { name: "m", countTokens: countWords, settings: { ...defaultSettings, ...cue } };
    expect(() => parseStrategy("budget:4").check!(writer)).toThrow(
      new InputError(
        'The strategy budget:4: a budget of 4 tokens is no more than " So the answer is" takes, 4, which only asks for the answer; take a larger one.',
      ),
    );
    expect(() => parseStrategy("force:3:1").check!(writer)).toThrow(InputError);
    parseStrategy("budget:5").check!(writer);
  });

  test("“Wait” stands in place of the end of thoughts, as often as asked, and the budget goes on", async () => {
    const texts = ["<think>one two three", "<", "no: four"];
    const writer = scriptedWriter((_, number) =>
      number < 2 ? { text: texts[number]!, reason: "thoughts", tokens: 4, openThoughts: "</think>" } : "so 7",
    );
    const { solution } = await solve(parseStrategy("force:24:1"), writer, cue);
    expect(writer.asked.map(({ maxTokens }) => maxTokens).slice(0, 2)).toEqual([24, 20]);
    expect(writer.asked[1]!.after).toBe("<think>one two three\nWait");
    expect(writer.asked[2]!.after).toBe("<think>one two three\nWait<</think>");
    expect(solution).toMatchObject({ answer: "7", details: { waits: 1 }, target: { tokens: 24, used: 8 } });
  });
});

describe("votes", () => {
  /** Samples in the order of their numbers; a word says that there is no answer. */
  const drawing = (...answers: readonly string[]) => scriptedWriter((_, number) => answers[number]!);
  const samplesOf = async (name: string, ...answers: readonly string[]) => {
    const { solution, meter } = await solve(parseStrategy(name), drawing(...answers));
    return [solution.answer, meter.calls];
  };

  test("self-consistency takes what most say, and those who say nothing do not vote", async () => {
    const writer = drawing("none", "5", "7", "7.0", "none", "none");
    const { solution } = await solve(parseStrategy("sc:6"), writer, { temperature: 0.5, topP: 0.9 });
    expect(solution).toMatchObject({ answer: "7", text: "7", details: { samples: 6, votes: 2 } });
    expect(writer.asked[3]).toMatchObject({ temperature: 0.5, topP: 0.9 });
    expect(new Set(writer.asked.map(({ seed }) => seed)).size).toBe(6);
  });

  test.each([
    ["sc-early:8", ["7", "7", "7"], 3],
    ["sc-early:8:0.75:2", ["7", "7"], 2],
    // Of 4 samples with 3 alike the certainty is 0.59, of 5 with 4 alike 0.69, of 6 with 5 alike 0.75 (0.7485), of 7 0.79.
    ["sc-early:8", ["7", "5", "7", "7", "7", "7", "7"], 7],
    ["sc-early:4", ["7", "5", "6", "1"], 4],
    ["sc-early:4", ["none", "none", "none", "none"], 4],
    ["esc:10:3", ["7", "5", "7", "7", "7", "7"], 6],
    ["esc:5:3", ["7", "5", "7", "5", "5"], 5],
    // 1 − I½(5, 1) = 0.97, and of 3 alike 0.94.
    ["ac:8", ["7", "7", "7", "7"], 4],
    ["ac:8:0.9", ["7", "7", "7"], 3],
    ["ac:8", ["5", "7", "7", "7", "7", "7", "7"], 7],
  ])("%s stops where its rule says: %j", async (name, answers, samples) => {
    expect((await samplesOf(name, ...answers, ..."5555555"))[1]).toBe(samples);
  });

  test("a random stop has the mean that is asked for", async () => {
    const calls: number[] = [];
    for (let seed = 0; seed < 300; seed++) {
      const { meter } = await solve(
        parseStrategy("random-early:8:3"),
        scriptedWriter(() => "7"),
        {},
        { seed },
      );
      calls.push(meter.calls);
    }
    expect(Math.min(...calls)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...calls)).toBeLessThanOrEqual(8);
    // Five standard errors: the deviation is √(7 · 2/7 · 5/7) = 1.2.
    expect(Math.abs(calls.reduce((sum, count) => sum + count, 0) / 300 - 3)).toBeLessThan(0.35);
  });

  test("the best of n has the highest mean log-probability, whatever its length", async () => {
    const writer = scriptedWriter((_, number) => {
      const [text, meanLogprob] = (
        [
          ["5", -1],
          ["so it is 7", -0.5],
          ["6", -2.5],
        ] as const
      )[number]!;
      return { text, meanLogprob };
    });
    const { solution } = await solve(parseStrategy("bon:3"), writer);
    expect(solution).toMatchObject({ answer: "7", details: { samples: 3, meanLogprob: -0.5 } });
    expect(writer.asked.every(({ logprobs }) => logprobs)).toBe(true);
  });
});

describe("Dynasor", () => {
  const names = Object.keys(dynasorSettings) as DynasorSetting[];

  test.each(golden.streams)("stops as the rule does on $answers", (each) => {
    const { probes, answers, letters, words } = each;
    const seen = probes.map((text) => ({ text, answer: untilUnpairedBrace(text) }));
    expect(seen.map(({ answer }) => answer)).toEqual(answers);
    for (const [expected, wholeWords] of [
      [letters, false],
      [words, true],
    ] as const) {
      const stops = names.map((name) => {
        const { probes: needed } = dynasorSettings[name];
        const end = seen.findIndex((_, i) =>
          mayStop(seen.slice(0, i + 1), needed, mathematicalJudge.equal, wholeWords),
        );
        return [name, end < 0 ? null : end + 1];
      });
      expect(Object.fromEntries(stops)).toEqual(expected);
    }
  });

  test("probes are thrown away, and their tokens paid", async () => {
    const writer = scriptedWriter(({ begun = [], maxTokens }) =>
      typeof begun.at(-1) === "string"
        ? { text: "7}\n\\]", tokens: 4 }
        : { text: " and so on", tokens: maxTokens, reason: "length" },
    );
    const { solution, meter } = await solve(parseStrategy("dynasor:crazy"), writer);
    expect(writer.asked.map(({ maxTokens }) => maxTokens)).toEqual([32, 20, 32, 20]);
    expect(writer.asked[2]!.after).toBe(" and so on");
    expect(solution).toMatchObject({ answer: "7", details: { probes: 2, stopped: true } });
    expect(solution.text).toContain("\\boxed{7}");
    expect(meter.completionTokens).toBe(2 * 36);
  });

  test("a solution that ends by itself is it, and one that never does is cut", async () => {
    const ending = await solve(
      parseStrategy("dynasor:mid"),
      scriptedWriter(() => "it is 7"),
    );
    expect(ending.solution).toMatchObject({
      answer: "7",
      isCut: false,
      details: { probes: 0, stopped: false },
    });
    const endless = scriptedWriter(({ begun = [], maxTokens }, number) =>
      typeof begun.at(-1) === "string" ? `${number}}` : { text: " 7", tokens: maxTokens, reason: "length" },
    );
    const { solution } = await solve(parseStrategy("dynasor:high"), endless, { maxTokens: 100 });
    expect(endless.asked.map(({ maxTokens }) => maxTokens)).toEqual([64, 20, 36, 20]);
    expect(solution).toMatchObject({ isCut: true, details: { probes: 2, stopped: false } });
  });
});

describe("two models", () => {
  test("what is least certain goes to the stronger one, as many as the share says", async () => {
    expect(thresholdFor(0.5, [1, 0.2, 0.6, 0.4])).toBe(0.6);
    expect(thresholdFor(0, [1, 0.2])).toBe(0.2);
    expect(thresholdFor(1, [1, 0.2])).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    ["7 7 7", "own", 3],
    ["7 5 6", "stronger", 4],
  ] as const)("samples that say %s keep it: %s", async (answers, model, calls) => {
    const strategy = parseStrategy("route:openai:http://strong:1/v1#big", { routeShare: 1 });
    expect(strategy.models).toEqual(["openai:http://strong:1/v1#big"]);
    const weak = scriptedWriter((_, number) => answers.split(" ")[number % 3]!);
    const strong = scriptedWriter(() => "certainly 7");
    const asked = parseStrategy("route:big", { routeShare: model === "own" ? 0 : 1 });
    const prepared = {
      ...asked,
      solve: async (...given: Parameters<typeof asked.solve>) => {
        await asked.prepare!([problem], () => given[1]);
        return asked.solve(...given);
      },
    };
    const { solution, meter } = await solve(prepared, weak, {}, { others: new Map([["big", strong]]) });
    expect(solution).toMatchObject({ answer: "7", details: { model } });
    // The samples of the calibration are asked once, and metered twice by these tools.
    expect(meter.calls).toBe(calls + 3);
    expect(weak.asked).toHaveLength(3);
  });
});

describe("programs", () => {
  const strategy = parseStrategy("tir");
  const runner: Pick<CodeRunner, "run"> & { programs: string[] } = {
    programs: [],
    async run(code) {
      runner.programs.push(code);
      return code.includes("1/0")
        ? { runner: "monty", stdout: "", error: "ZeroDivisionError: division by zero", reason: "error" }
        : { stdout: `${"7".repeat(code.length > 40 ? 500 : 1)}\n`, runner: "monty", reason: "ok" };
    },
  };

  test("the last program is run, its output put there, and the model goes on", async () => {
    const writer = scriptedWriter((_, number) =>
      number === 0
        ? "Add.\n```python\nprint(1/0)\n```\nNo:\n```python\nprint(3 + 4)\n```\n"
        : "So \\boxed{7}.",
    );
    const { solution } = await solve(strategy, writer, {}, { runner });
    expect(runner.programs.splice(0)).toEqual(["print(3 + 4)\n"]);
    expect(writer.asked[0]!.stop).toEqual(["```output"]);
    expect(writer.asked[1]!.after).toMatch(/\n```\n```output\n7\n```\n$/);
    expect(solution).toMatchObject({ answer: "7", details: { programs: 1, failures: 0 } });
  });

  test("errors and long outputs are given back cut, and there are six rounds", async () => {
    const long = `print(${"3 + ".repeat(12)}4)`;
    const programs = ["print(1/0)", long, "print(1)", "print(1)", "print(1)", "print(1)"];
    const writer = scriptedWriter((_, number) => `\`\`\`python\n${programs[number]}\n\`\`\``);
    const { solution } = await solve(strategy, writer, { maxTokens: 10_000 }, { runner });
    expect(writer.asked).toHaveLength(6);
    expect(writer.asked[1]!.after).toContain("```output\nZeroDivisionError: division by zero\n```");
    expect(writer.asked[2]!.after).toContain(`\`\`\`output\n${"7".repeat(200)}...${"7".repeat(200)}\n\`\`\``);
    expect(writer.asked[4]!.after).not.toContain("Reach max");
    expect(writer.asked[5]!.after).toMatch(/Reach max function call limit\.\n$/);
    expect(solution.details).toEqual({ programs: 5, failures: 1 });
  });
});

test("names and options that are none are told with those that are", () => {
  for (const [name, message] of [
    ["xyz", /There is no strategy "xyz"; do you mean \S+\? There are cot, cut, /],
    ["sc", /^The strategy sc: the number of samples is missing; it is asked for as sc:N\.$/],
    ["sc:0", /must be a whole number of at least 1/],
    ["sc:8:9", /has more options than it takes/],
    ["sc-early:8:high", /the certainty is "high", which is no number/],
    ["dynasor:fast", /must be one of mild, low, mid, high, crazy/],
    ["random-early:4:5", /the mean 5 does not lie between 1 and 4/],
    ["route", /the model is missing/],
    ["constructor", /There is no strategy "constructor"/],
  ] as const)
    expect(() => parseStrategy(name), name).toThrow(message);
  expect(() => parseStrategy("route:big", { routeShare: 3 })).toThrow("take one between 0 and 1");
  for (const [name, { usage }] of Object.entries(strategies)) expect(usage.split(/[:[]/)[0]).toBe(name);
});
