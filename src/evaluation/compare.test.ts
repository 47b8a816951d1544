import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { mcnemarExact } from "../statistics/mcnemar.ts";
import { compare } from "./compare.ts";
import { describeScore, toPlain, toText } from "./comparison-report.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-compare-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const before = "fixtures/evaluation/harness-before";
const after = "fixtures/evaluation/harness-after";

interface Item {
  readonly acc: number;
  readonly doc?: string;
  readonly docId?: number;
  readonly prompt?: string;
  readonly target?: string;
}

interface TaskSettings {
  readonly version?: string;
  readonly shots?: number;
  readonly metric?: string;
}

let folders = 0;

/** An evaluation's folder with the tasks given by the values of their items. */
function write(
  tasks: Readonly<Record<string, readonly (number | Item)[]>>,
  { version = "1.0", shots = 0, metric = "acc" }: TaskSettings = {},
  more: object = {},
  groupScores: object = {},
): string {
  const folder = join(scratch, `${folders++}`);
  mkdirSync(folder);
  const names = Object.keys(tasks);
  const results = names.map((name) => {
    const values = tasks[name]!.map((item) => (typeof item === "number" ? item : item.acc));
    return [name, { [`${metric},none`]: values.reduce((sum, value) => sum + value, 0) / values.length }];
  });
  for (const name of names) {
    const lines = tasks[name]!.map((item, i) => {
      const {
        acc,
        doc = `doc ${i}`,
        docId = i,
        prompt,
        target = "a",
      } = typeof item === "number" ? { acc: item } : item;
      const asked = prompt ?? `${shots} shots, ${doc}`;
      return JSON.stringify({
        doc_id: docId,
        target,
        arguments: { gen_args_0: { arg_0: asked, arg_1: { until: ["\n"] } } },
        resps: [[`answer worth ${acc}`]],
        filtered_resps: [`answer worth ${acc}`],
        filter: "none",
        doc_hash: doc,
        prompt_hash: asked,
        target_hash: target,
        [metric]: acc,
      });
    });
    writeFileSync(join(folder, `samples_${name}.jsonl`), lines.join("\n"));
  }
  writeFileSync(
    join(folder, "results.json"),
    JSON.stringify({
      results: { ...Object.fromEntries(results), ...groupScores },
      versions: Object.fromEntries(names.map((name) => [name, version])),
      "n-shot": Object.fromEntries(names.map((name) => [name, shots])),
      ...more,
    }),
  );
  return folder;
}

/** `count` items of which the first are right. */
const right = (share: number, count = 100) => Array.from({ length: count }, (_, i) => Number(i < share));

test("two runs of lm-evaluation-harness: scores as it reports them, groups pooled, perplexities too", async () => {
  const comparison = await compare(before, after);
  expect(comparison.notes).toEqual([]);
  const find = (task: string, metric: string) =>
    comparison.scores.find((score) => score.task === task && score.metric === metric)!;
  const results = [before, after].map((folder) => {
    const { path } = folder === before ? comparison.before : comparison.after;
    return JSON.parse(readFileSync(path, "utf8")).results;
  });
  for (const { task, metric, filter, before: first, after: second } of comparison.scores) {
    expect(first.value).toBeCloseTo(results[0][task][`${metric},${filter}`], 12);
    expect(second.value).toBeCloseTo(results[1][task][`${metric},${filter}`], 12);
  }
  expect(find("sums", "acc")).toMatchObject({
    pooled: ["sums_small", "sums_large"],
    items: 100,
    test: "mcnemar-exact",
    verdict: "better",
    family: { name: "tasks and groups", size: 6 },
    p: mcnemarExact(32, 12),
  });
  expect(find("sums_small", "acc").family).toEqual({ name: "tasks of sums", size: 4 });
  const perplexity = find("counting", "word_perplexity");
  expect(perplexity).toMatchObject({ test: "sign-flip", higherIsBetter: false, inPoints: false, items: 20 });
  expect(perplexity.before.low).toBeLessThan(perplexity.before.value);
  expect(perplexity.fixed).toBeUndefined();
  // The bootstrap's interval is of 2 · 1.96 standard errors, where 2.80 are detectable.
  const { detectable, difference } = find("counting", "bits_per_byte");
  expect(detectable! / (difference.high - difference.low)).toBeCloseTo(2.8 / 3.92, 1);
});

test("a clear change is told with its interval, p-value and what could have been shown", async () => {
  const comparison = await compare(write({ math: right(30) }), write({ math: right(45) }));
  const score = comparison.scores[0]!;
  expect(score).toMatchObject({
    verdict: "better",
    items: 100,
    p: 2 ** -14,
    adjustedP: 2 ** -14,
    difference: { value: expect.closeTo(0.15, 12) },
  });
  expect(score.fixed!.map((pair) => pair.before.docId)).toEqual(Array.from({ length: 15 }, (_, i) => 30 + i));
  expect(score.broken).toEqual([]);
  // 2.8016 √(0.15 / 100).
  expect(score.detectable).toBeCloseTo(0.1085, 4);
  expect(describeScore(score)).toMatch(
    /^better by 15\.0 points, 95 % interval 8\.0 to 22\.0, p < 0\.001; 100 items could have shown 10\.9 points\.$/,
  );
  const reverse = await compare(write({ math: right(45) }), write({ math: right(30) }));
  expect(reverse.scores[0]!.verdict).toBe("worse");
});

test("no difference shown is not said to be equality", async () => {
  const comparison = await compare(write({ math: [0, 1, 1, 0, 1] }), write({ math: [1, 1, 1, 0, 1] }));
  expect(describeScore(comparison.scores[0]!)).toMatch(
    /^no difference shown: 20\.0 points higher, .* p = 1; 5 items could have shown 56\.0 points\.$/,
  );
  const same = await compare(write({ math: right(3, 9) }), write({ math: right(3, 9) }));
  expect(describeScore(same.scores[0]!)).toBe(
    "no difference shown: equal, 95 % interval 0.0 to 0.0, p = 1; none of 9 items differs.",
  );
});

test("what is significant alone is not among ten tests", async () => {
  const many = (first: readonly number[]) =>
    write(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`t${i}`, i === 0 ? first : right(50)])));
  const score = (await compare(many(right(50)), many(right(57)))).scores[0]!;
  expect(score).toMatchObject({ p: 2 ** -6, adjustedP: 10 * 2 ** -6, verdict: "no difference shown" });
  expect(describeScore(score)).toContain("p = 0.016 (0.16 adjusted for 10 tests)");
});

test("values between right and wrong are tested by their signs, and less is better where the results say so", async () => {
  const losses = Array.from({ length: 30 }, (_, i) => 2 + (i % 7) / 3);
  const comparison = await compare(
    write({ text: losses }, { metric: "loss" }, { higher_is_better: { text: { loss: false } } }),
    write({ text: losses.map((loss, i) => loss - 0.1 - (i % 3) / 10) }, { metric: "loss" }),
  );
  expect(comparison.scores[0]).toMatchObject({ test: "sign-flip", verdict: "better", p: 1 / 10_001 });
  expect(describeScore(comparison.scores[0]!)).toMatch(
    /^better by 0\.200, 95 % interval -0\.\d+ to -0\.1\d+, p < 0\.001; /,
  );
});

test("the same seed gives the same numbers, another seed others", async () => {
  const intervals = async (seed: number) =>
    (await compare(before, after, { seed })).scores.map((one) => one.difference);
  expect(await intervals(1)).toEqual(await intervals(1));
  expect(await intervals(1)).not.toEqual(await intervals(2));
});

test("a comparison can be limited to metrics and filters, which are then the family", async () => {
  const { scores } = await compare(before, after, { metrics: ["strict-match", "bits_per_byte"] });
  expect(scores.map(({ task, family }) => [task, family.size])).toEqual([
    ["sums_written", 2],
    ["counting", 2],
  ]);
  await expect(compare(before, after, { metrics: ["f1"] })).rejects.toThrow(
    /no metric or filter "f1" in common; they have acc, none/,
  );
});

describe("runs that asked differently are refused, and compared by their data if that is wanted", () => {
  const base = right(30);
  const cases: Record<string, [() => string, RegExp]> = {
    "another number of few-shot examples": [
      () => write({ math: base }, { shots: 5 }),
      /^The prompts of math differ \(few-shot examples: 0 before, 5 after\)/,
    ],
    "a chat template and another seed": [
      () =>
        write(
          { math: base },
          { shots: 1 },
          { "n-shot": { math: 0 }, chat_template: "{{…}}", config: { fewshot_seed: 2 } },
        ),
      /\(chat template: not used before, used after; seed of the examples: not recorded before, 2 after\)/,
    ],
    "prompts that differ for no recorded reason": [
      () => write({ math: base.map((acc, i) => ({ acc, prompt: `Q: ${i}` })) }),
      /^The prompts of math differ \(not in number or seed of the few-shot examples/,
    ],
    "another version": [
      () => write({ math: base }, { version: "2.0" }),
      /^The versions of math differ \(1\.0 before, 2\.0 after\)/,
    ],
    "another order": [
      () => write({ math: base.map((acc, i) => ({ acc, doc: `doc ${99 - i}` })) }),
      /^The data of math differ \(item 0 is not the same in both runs\)/,
    ],
    "other targets": [
      () => write({ math: base.map((acc, i) => ({ acc, target: i === 7 ? "b" : "a" })) }),
      /^The correct answers of math differ \(item 7\)/,
    ],
  };
  test.each(Object.keys(cases))("%s", async (name) => {
    const [makeAfter, sentence] = cases[name]!;
    const [first, second] = [write({ math: base }), makeAfter()];
    await expect(compare(first, second)).rejects.toThrow(expect.objectContaining({ name: "InputError" }));
    await expect(compare(first, second)).rejects.toThrow(sentence);
    await expect(compare(first, second)).rejects.toThrow(/add --allow-different-prompts/);
    const allowed = await compare(first, second, { allowDifferentPrompts: true });
    expect(allowed.notes).toEqual([expect.stringMatching(/; items are paired by their data\.$/)]);
    expect(allowed.scores[0]!.items).toBe(100);
  });

  test("paired by data, an item goes with itself wherever it stands, and the second of two equal ones with the second", async () => {
    const docs = ["x", "y", "x", "z"];
    const first = write({ math: docs.map((doc) => ({ acc: doc === "x" ? 1 : 0, doc })) });
    const second = write({ math: docs.toReversed().map((doc) => ({ acc: doc === "x" ? 1 : 0, doc })) });
    const { scores } = await compare(first, second, { allowDifferentPrompts: true });
    expect(scores[0]).toMatchObject({ items: 4, fixed: [], broken: [] });
  });
});

describe("what is in one run only", () => {
  test("items are left out and counted", async () => {
    const second = write({
      math: right(30)
        .slice(10)
        .map((acc, i) => ({ acc, docId: i + 10, doc: `doc ${i + 10}` })),
    });
    const { scores, notes } = await compare(write({ math: right(30) }), second);
    expect(notes).toEqual([
      "Of math, 90 items are in both runs; 10 only before and 0 only after are left out.",
    ]);
    expect(scores[0]).toMatchObject({ items: 90, before: { value: 20 / 90 }, difference: { value: 0 } });
  });

  test("tasks and metrics are left out and named", async () => {
    const first = write({ math: right(30), art: right(5) });
    const second = write({ math: right(30), law: right(5) });
    const { scores, notes } = await compare(first, second);
    expect(scores.map(({ task }) => task)).toEqual(["math"]);
    expect(notes).toEqual([
      `Only ${first}/results.json has art; left out.`,
      `Only ${second}/results.json has law; left out.`,
    ]);
    await expect(
      compare(write({ math: right(3) }), write({ math: right(3) }, { metric: "f1" })),
    ).rejects.toThrow(/no score in common/);
  });

  test("a group of which a task is missing is left out, its other tasks are not", async () => {
    const group = { group_subtasks: { all: ["math", "art"] } };
    const whole = () => write({ math: right(30), art: right(5) }, {}, group, { all: { "acc,none": 0.175 } });
    expect((await compare(whole(), whole())).scores.map(({ task }) => task)).toEqual(["all", "math", "art"]);
    const { scores, notes } = await compare(whole(), write({ math: right(30) }));
    expect(scores.map(({ task }) => task)).toEqual(["math"]);
    expect(notes).toContain("The group all is not whole in both evaluations; left out.");
  });

  test("a metric that is no mean of its items is left out", async () => {
    const results = { results: { math: { "acc,none": 0.3, "mcc,none": 0.77, "acc_stderr,none": 0.04 } } };
    const folder = () => write({ math: right(30) }, {}, results);
    const { scores, notes } = await compare(folder(), folder());
    expect(scores).toHaveLength(1);
    expect(notes).toEqual([
      "mcc (none) of math does not follow from the values of the single items; left out.",
    ]);
  });

  test("nothing in common is refused", async () => {
    await expect(compare(write({ math: [1] }), write({ law: [1] }))).rejects.toThrow(
      /no task in common: .* is of math, .* of law\.$/,
    );
    await expect(compare(write({ math: [1] }), write({ math: [{ acc: 1, docId: 9 }] }))).rejects.toThrow(
      "The evaluations have no item of math in common.",
    );
  });
});

test("runs of the same model are noted", async () => {
  const model = (storage: string) => ({ slimtune: { model: { sha256: "ab", storage, adapter: null } } });
  const folder = (storage: string) => write({ math: right(3) }, {}, model(storage));
  expect((await compare(folder("float32"), folder("float32"))).notes).toEqual([
    "Both runs are of the same model with the same adapter.",
  ]);
  expect((await compare(folder("float32"), folder("nf4"))).notes).toEqual([]);
});

test("choices agree by which is the likeliest, whatever their likelihoods", async () => {
  const { agreements } = await compare(before, after);
  for (const { items, same, share } of agreements) expect(share.value).toBe(same / items);
  expect(Object.fromEntries(agreements.map(({ task, filter, same }) => [`${task},${filter}`, same]))).toEqual(
    {
      "sums_large,none": 19,
      "sums_small,none": 21,
      "sums_written,strict-match": 14,
      "sums_written,whole": 14,
    },
  );
});

describe("the report", () => {
  const runs = () => compare(write({ my_task: [0, 1, 0, 0, 1] }), write({ my_task: [1, 0, 1, 0, 1] }));

  test("as text has a row and a sentence for each score, and the items that changed as many as asked", async () => {
    const comparison = await runs();
    const text = toText(comparison);
    expect(text).toMatch(/\nmy_task {2}acc +5 +40\.0 \[11\.8, 76\.9\] .* 2 \/ 1\n/);
    expect(text).toContain("\nmy_task, acc: no difference shown: 20.0 points higher");
    expect(text).toContain("10,000 resamples of the items (seed 0)");
    expect(text).not.toContain("──");
    expect(text).toContain(
      "\nmy_task: the same answer to 2 of 5 items, 40.0 %, 95 % interval 11.8 to 76.9.\n",
    );
    const withFlips = toText(comparison, 1);
    expect(withFlips.match(/──.*/g)).toEqual([
      "── my_task, acc, item 0: fixed",
      "── my_task, acc, item 1: broken",
    ]);
    expect(withFlips).toContain(
      "prompt: 0 shots, doc 0\ntarget: a\nbefore: answer worth 0\nafter:  answer worth 1\n",
    );
  });

  test("as Markdown has a table whose rows have the same cells, with names escaped", async () => {
    const markdown = (await runs()).toMarkdown();
    const rows = markdown.split("\n").filter((line) => line.startsWith("|"));
    expect(rows).toHaveLength(3);
    expect(new Set(rows.map((row) => row.split("|").length))).toEqual(new Set([11]));
    expect(rows[2]).toContain("| my\\_task | acc | 5 |");
    expect(markdown).toContain("- **my\\_task, acc**: no difference shown");
  });

  test("as JSON names items, and tells prompts and answers of as many as asked", async () => {
    const comparison = await runs();
    const plain = JSON.parse(JSON.stringify(toPlain(comparison, 1)));
    expect(plain.scores[0]).toMatchObject({
      fixed: [
        { task: "my_task", docId: 0 },
        { task: "my_task", docId: 2 },
      ],
      broken: [{ task: "my_task", docId: 1 }],
      flips: [
        { change: "fixed", docId: 0, before: "answer worth 0", after: "answer worth 1", target: "a" },
        { change: "broken", docId: 1 },
      ],
      sentence: expect.stringContaining("no difference shown"),
    });
    expect(JSON.stringify(toPlain(comparison))).not.toContain("answer worth");
  });
});
