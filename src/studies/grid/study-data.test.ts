import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { argumentsOf } from "../../evaluation/language-model.ts";
import { prepareTasks } from "../../evaluation/prepare.ts";
import { parseStudyConfig, type StudyOptions } from "../study-config.ts";
import type { GridConfig } from "./options.ts";
import { checkData, describeSplits, prepareData, studyTasks } from "./study-data.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-study-data-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const dataDir = "fixtures/evaluation/excerpts";

type Options = StudyOptions<"slimming">;

const configure = (data: Options["data"], more: Partial<Options> = {}) =>
  parseStudyConfig(
    { kind: "slimming", model: "m", methods: ["lora"], tasks: ["gsm8k"], data_dir: dataDir, data, ...more },
    "test",
  ) as GridConfig;

const readRows = (path: string): { prompt: string; completion: string }[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a task's split becomes the prompts and answers that the task itself would show", async () => {
  const config = configure({ math: "gsm8k:train", choices: "hellaswag:tune" });
  const [math, choices] = await prepareData(config, join(scratch, "data"));
  expect(math).toMatchObject({ name: "math", source: "gsm8k:train", task: "gsm8k" });
  const rows = readRows(math!.path);

  // What stands before an item as an example is one of these rows.
  const { tasks } = await prepareTasks(["gsm8k"], { dataDir, numFewshot: 1, limit: 3 });
  for (const { requests } of tasks[0]!.instances) {
    const example = argumentsOf(requests[0]!)[0].split("\n\n")[0]!;
    expect(rows.map(({ prompt, completion }) => prompt + completion)).toContain(example);
  }
  for (const { prompt, completion } of readRows(choices!.path)) {
    expect(prompt).not.toBe("");
    expect(completion).toMatch(/^ ./);
  }
});

test("items that are tuned on are not evaluated, and that is said", async () => {
  const config = configure({ common: "hellaswag:tune" }, { tasks: ["hellaswag"] });
  const { definition } = studyTasks(config).select(["hellaswag"]).tasks[0]!;
  expect(definition.validation_split).toBe("validation[8000:]");
  expect(describeSplits(config)).toEqual([
    "The training split of hellaswag is not at hand, so validation[:8000] is tuned on and only validation[8000:] is evaluated.",
  ]);
  // With the training split there is no need to.
  const { data_dir: _, ...fromHub } = config;
  expect(studyTasks(fromHub).select(["hellaswag"]).tasks[0]!.definition.validation_split).toBe("validation");
  expect(describeSplits(configure({ math: "gsm8k:tune" }))).toEqual([]);
});

test("a task's or group's own limit comes before the one for all", async () => {
  const { data } = configure({ math: "gsm8k:train" });
  const config = configure(data, { limits: { mmlu_cs: 1, gsm8k: 2 } });
  const registry = studyTasks(config);
  const { tasks } = await prepareTasks(
    ["gsm8k", "hellaswag"],
    { dataDir, limit: 3, numFewshot: 0 },
    registry,
  );
  expect(tasks.map(({ instances }) => instances.length)).toEqual([2, 3]);
  expect(registry.select(["mmlu_cs"]).tasks.map(({ limit }) => limit)).toEqual([1, 1, 1, 1]);
  expect(() => studyTasks(configure(data, { limits: { gsm9k: 1 } }))).toThrow("There is no task gsm9k");
});

describe("what is refused", () => {
  test.each([
    [
      "gsm8k:test",
      'The split "test" of gsm8k is the one that is evaluated, so it must not be tuned on; take gsm8k:train.',
    ],
    ["wikitext:tune", "The task wikitext has no split that may be tuned on; give a file of examples."],
    [
      "nowhere.jsonl",
      'The data "a" is nowhere.jsonl, but there is no such file, and no task with such a split.',
    ],
    ["gsm9k:train", 'The data "a" is gsm9k:train, but there is no such file, and no task with such a split.'],
  ])("%s", (source, message) => {
    expect(() => checkData(configure({ a: source }))).toThrow(message);
  });
});
