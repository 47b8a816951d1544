import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readEvaluation } from "./evaluation-folder.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-folder-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const harness = "fixtures/evaluation/harness-before";

/** A copy of the harness's folder in which one thing is changed. */
function changed(name: string, change: (folder: string, file: (start: string) => string) => void): string {
  const copy = join(scratch, name);
  cpSync(harness, copy, { recursive: true });
  const folder = join(copy, "guesser");
  change(folder, (start) => join(folder, readdirSync(folder).find((file) => file.startsWith(start))!));
  return copy;
}

const edit = (path: string, change: (text: string) => string) =>
  writeFileSync(path, change(readFileSync(path, "utf8")));

test("a folder that lm-evaluation-harness wrote is read with its scores and items", async () => {
  const evaluation = await readEvaluation(harness);
  expect(evaluation.model).toBe("guesser");
  expect([...evaluation.tasks.keys()]).toEqual(["sums_small", "sums_large", "sums_written", "counting"]);
  expect(evaluation.groups.get("sums")).toEqual({
    members: ["sums_small", "sums_large"],
    scores: [{ metric: "acc", filter: "none", value: 0.39, higherIsBetter: true }],
  });

  const written = evaluation.tasks.get("sums_written")!;
  expect(written).toMatchObject({ version: "1", numFewshot: 0 });
  expect(written.scores).toEqual([
    { metric: "exact_match", filter: "strict-match", value: 0.48, higherIsBetter: true },
    { metric: "exact_match", filter: "whole", value: 0, higherIsBetter: true },
  ]);
  expect(written.items.get("strict-match")).toHaveLength(50);
  expect(written.items.get("strict-match")![0]).toMatchObject({
    docId: 0,
    prompt: "Question: 45 + 56 = ?\nAnswer:",
    target: "101",
    answer: "It is #### 101",
  });

  const counting = evaluation.tasks.get("counting")!;
  expect(counting.scores.every(({ higherIsBetter }) => !higherIsBetter)).toBe(true);
  expect(counting.items.get("none")![0]!.scores.get("word_perplexity")).toEqual([-39.91759911902693, 7]);
  const choices = evaluation.tasks.get("sums_small")!.items.get("none")![0]!;
  expect(choices.answer).toBe("148: -2.33, 149: -2.05, 150: -2.93, 151: -0.22");
});

test("without dates and a model's folder, as this project writes, and by the file's name it is read alike", async () => {
  const flat = join(scratch, "flat");
  cpSync(join(harness, "guesser"), flat, { recursive: true });
  for (const name of readdirSync(flat))
    renameSync(join(flat, name), join(flat, name.replace(/_20[^j]+\./, ".")));
  const expected = (await readEvaluation(harness)).tasks;
  expect((await readEvaluation(flat)).tasks).toEqual(expected);
  expect((await readEvaluation(join(flat, "results.json"))).tasks).toEqual(expected);
});

test("a single continuation is no choice", async () => {
  const path = changed("single", (_, file) =>
    edit(file("samples_sums_small"), (text) =>
      text.replace(
        /^.*\n/,
        (line) =>
          `${JSON.stringify({ ...JSON.parse(line), arguments: [["1 + 1 =", " 2"]], resps: [[[-0.5, true]]] })}\n`,
      ),
    ),
  );
  const [first, second] = (await readEvaluation(path)).tasks.get("sums_small")!.items.get("none")!;
  expect(first).toMatchObject({ answer: "2: -0.50", choices: undefined });
  expect(second!.choices).toBe(4);
});

test("of several dates the newest is taken", async () => {
  const folder = changed("dates", (inner) => {
    for (const name of readdirSync(inner)) {
      cpSync(join(inner, name), join(inner, name.replace("_2026", "_2025")));
      if (name.startsWith("results")) edit(join(inner, name.replace("_2026", "_2025")), () => "{}");
    }
  });
  expect((await readEvaluation(folder)).path).toContain("_2026");
});

describe("bad input ends with one sentence that names the file", () => {
  const cases: Record<string, () => [path: string, sentence: string | RegExp]> = {
    "no such folder": () => [join(scratch, "nowhere"), /^There is no evaluation at .*nowhere\.$/],
    "a folder of something else": () => [
      "fixtures/miniature",
      /holds no results\.json, so it is no evaluation/,
    ],
    "an evaluation that was interrupted": () => {
      mkdirSync(join(scratch, "unfinished"));
      writeFileSync(join(scratch, "unfinished", "evaluation.json"), "{}");
      return [join(scratch, "unfinished"), /is not finished; run its command again/];
    },
    "several models": () => [
      changed("models", (folder) => cpSync(folder, `${folder}-2`, { recursive: true })),
      /holds several evaluations; name one of .*guesser, .*guesser-2\.$/,
    ],
    "no samples": () => [
      changed("no-samples", (_, file) => rmSync(file("samples_counting"))),
      /has no samples of counting beside it \(samples_counting_.*\.jsonl\).*--log_samples/,
    ],
    "empty samples": () => [
      changed("empty", (_, file) => writeFileSync(file("samples_counting"), "")),
      /samples_counting.*holds no items\.$/,
    ],
    "results that are no JSON": () => [
      changed("no-json", (_, file) => edit(file("results"), (text) => text.slice(0, 100))),
      /results_.* is not valid JSON; evaluate again\.$/,
    ],
    "results of another form": () => [
      changed("other-json", (_, file) => writeFileSync(file("results"), "[]")),
      /results_.*: it is a list; give a table of names and values\.$/,
    ],
    "a damaged line": () => [
      changed("damaged", (_, file) => edit(file("samples_counting"), (text) => text.replace(/\n\{/, "\n?"))),
      /samples_counting.*, line 2, column 1: it is not valid JSON: a value cannot begin with "\?"\.$/,
    ],
    "a line without a hash": () => [
      changed("no-hash", (_, file) =>
        edit(file("samples_counting"), (text) => text.replace('"prompt_hash"', '"hash"')),
      ),
      /samples_counting.*, line 1: prompt_hash: it is missing\.$/,
    ],
    "arguments that are none": () => [
      changed("no-arguments", (_, file) =>
        edit(file("samples_counting"), (text) =>
          text.replace(/"gen_args_0": \{[^}]*\}/, '"gen_args_0": null'),
        ),
      ),
      /samples_counting.*, line 1: arguments: gen_args_0: it is empty; give a table/,
    ],
    "an item twice": () => [
      changed("twice", (_, file) => edit(file("samples_counting"), (text) => text + text.split("\n")[0])),
      /samples_counting.*, line 21: item 0 stands there twice\.$/,
    ],
    "lost lines": () => [
      changed("lost", (_, file) => edit(file("samples_counting"), (text) => text.replace(/.*\n$/, ""))),
      /samples_counting.* holds 19 items, but .* is of 20/,
    ],
    "no task": () => [
      changed("no-task", (_, file) => edit(file("results"), () => '{"results": {}}')),
      /results_.* holds no results of a task\.$/,
    ],
  };
  test.each(Object.keys(cases))("%s", async (name) => {
    const [path, sentence] = cases[name]!();
    await expect(readEvaluation(path)).rejects.toThrow(expect.objectContaining({ name: "InputError" }));
    await expect(readEvaluation(path)).rejects.toThrow(sentence);
  });
});
