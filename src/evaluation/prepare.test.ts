import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { type PreparationOptions, prepareTask, prepareTasks } from "./prepare.ts";
import { createRegistry, loadTasks } from "./tasks/registry.ts";
import { defineTask, type TaskDefinitionInput } from "./tasks/task-definition.ts";
import type { TaskEntry } from "./tasks/task-entry.ts";

const dataDir = "fixtures/evaluation/excerpts";
const scratch = mkdtempSync(join(tmpdir(), "slimtune-prepare-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A task over rows that are written to a file. */
function taskOf(rows: readonly object[], fields: Partial<TaskDefinitionInput> = {}): TaskEntry {
  const { task = "own" } = fields;
  const path = join(scratch, `${task}.jsonl`);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const definition = defineTask({
    task,
    dataset_path: "json",
    dataset_kwargs: { data_files: { test: path, train: path } },
    test_split: "test",
    doc_to_text: "{{q}}",
    doc_to_target: "{{a}}",
    ...fields,
  });
  return { name: task, description: "", items: undefined, licence: "", definition };
}

const choices: Partial<TaskDefinitionInput> = {
  output_type: "multiple_choice",
  doc_to_text: "{{q}}?",
  doc_to_choice: "options",
  doc_to_target: "a",
};

async function refusal(entry: TaskEntry, options: PreparationOptions = {}): Promise<string> {
  const error = await prepareTask(entry, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message.replaceAll(scratch, "");
}

describe("what is prepared", () => {
  test("a limit takes the first items, before which stands what does without it", async () => {
    const options = { dataDir, numFewshot: 5 };
    const { tasks: all } = await prepareTasks(["gsm8k", "hellaswag"], options);
    const { tasks: few } = await prepareTasks(["gsm8k", "hellaswag"], { ...options, limit: 2 });
    for (const [i, task] of few.entries()) {
      expect(task.instances).toEqual(all[i]!.instances.slice(0, 2));
      expect(task.size).toBe(all[i]!.size);
      expect(task.promptHash).not.toBe(all[i]!.promptHash);
    }
    const { tasks: drawn } = await prepareTasks(["gsm8k"], { ...options, seed: 1 });
    expect(drawn[0]!.promptHash).not.toBe(all[0]!.promptHash);
  });

  test("a task is described by plain data, which names the files", async () => {
    const { tasks } = await prepareTasks(["hellaswag", "arc_easy", "gsm8k"], { dataDir });
    const [hellaswag, arc, gsm8k] = tasks.map(({ config }) => config);
    expect(hellaswag).toMatchObject({
      process_docs: "[addQuery]",
      validation_split: "validation",
      dataset_kwargs: { data_files: { validation: "hellaswag/hellaswag_val.jsonl" } },
      num_fewshot: 0,
    });
    expect(arc).not.toHaveProperty("test_split");
    expect(arc!.data_note).toContain("validation");
    expect(gsm8k).toMatchObject({ num_fewshot: 5, test_split: "test", metadata: { version: "3.0" } });
    expect(JSON.parse(JSON.stringify(tasks[0]!.config))).toEqual(hellaswag);
  });

  test("SVAMP's problems have the form of GSM8K's", async () => {
    const { tasks } = await prepareTasks(["svamp"], { dataDir, numFewshot: 1 });
    const items = tasks[0]!.instances;
    expect(items.map(({ target }) => target)).toEqual([
      "#### 5",
      "#### 18",
      "#### 1.5",
      "#### 8",
      "#### 1",
      "#### 2",
    ]);
    expect(items[1]!.requests[0]).toMatchObject({
      context: expect.stringMatching(
        /^Question: .+\nAnswer: #### .+\n\nQuestion: A pack holds 6 pens\. How many do 3 hold\?\nAnswer:$/,
      ),
    });
  });

  test("tasks of groups are prepared once", async () => {
    const { tasks, groups } = await prepareTasks(["retention", "arc_easy"], { dataDir, limit: 2 });
    expect(tasks.map(({ name }) => name)).toEqual(groups[0]!.tasks);
    expect(groups.map(({ name }) => name)).toEqual(["retention"]);
  });

  test("a perplexity counts the text as it stands in the data", async () => {
    const { tasks } = await prepareTasks(["wikitext"], { dataDir });
    const { requests, reference } = tasks[0]!.instances[0]!;
    expect(requests[0]).toMatchObject({ text: expect.stringContaining("1,900.5 kg") });
    expect(reference).toMatchObject({ original: expect.stringContaining("1 @,@ 900 @.@ 5 kg") });
  });

  test("a part of a split, as in Hugging Face's datasets", async () => {
    const rows = Array.from({ length: 6 }, (_, i) => ({ q: `${i}`, a: `${i}` }));
    const questions = async (test_split: string) => {
      const { instances } = await prepareTask(taskOf(rows, { test_split }));
      return instances.map(({ target }) => target);
    };
    expect(await questions("test[:2]")).toEqual(["0", "1"]);
    expect(await questions("test[4:]")).toEqual(["4", "5"]);
    expect(await questions("test[1:3]")).toEqual(["1", "2"]);
    await expect(questions("test[6:]")).rejects.toThrow(
      new InputError('The task own has no items in "test[6:]", since the split "test" has 6.'),
    );
  });

  test("examples have fields of their own", async () => {
    const entry = taskOf([{ q: "1+1", a: "2" }], {
      num_fewshot: 2,
      description: "Add.\n",
      fewshot_config: {
        sampler: "first_n",
        samples: [{ x: "3" }, { x: "" }],
        doc_to_text: "twice {{x}}",
        doc_to_target: "{{x}}",
        target_delimiter: "=",
        fewshot_delimiter: ";",
      },
    });
    const { instances } = await prepareTask(entry, { systemInstruction: "Go on." });
    // An example without an answer has no delimiters.
    expect(instances[0]!.requests[0]).toMatchObject({ context: "Go on.\n\nAdd.\ntwice 3=3;twice 1+1" });
  });

  test("answers end at the delimiter of examples unless the task says where", async () => {
    const rows = [{ q: "q", a: "a" }];
    const { instances } = await prepareTask(taskOf(rows));
    expect(instances[0]!.requests[0]).toMatchObject({
      options: { until: ["\n\n"], max_gen_toks: 256, do_sample: false, temperature: 0 },
    });
    const { instances: others } = await prepareTask(taskOf(rows, { generation_kwargs: { max_gen_toks: 5 } }));
    expect(others[0]!.requests[0]).toMatchObject({ options: { until: ["\n\n"], max_gen_toks: 5 } });
  });

  test("a judge may be a function", async () => {
    const judge = () => 0.5;
    const { metrics } = await prepareTask(
      taskOf([{ q: "", a: "" }], { metric_list: [{ metric: "judged", judge }] }),
    );
    expect(metrics).toEqual([{ metric: "judged", judge }]);
  });
});

describe("what is refused", () => {
  test.each<[string, readonly object[], Partial<TaskDefinitionInput>, string]>([
    ["a missing field", [{ q: "1", a: "1" }, { a: "1" }], {}, "line 2: doc_to_text: q is undefined."],
    [
      "a missing field that the definition names without a template",
      [{ q: "1", a: "1" }, { q: "2" }],
      { doc_to_target: "a" },
      'line 2: the field "a" is missing.',
    ],
    [
      "a field that no row has",
      [{ q: "1", a: 0, options: ["x"] }],
      { ...choices, doc_to_choice: "opitons" },
      'doc_to_choice: there is no field "opitons", and it is no list',
    ],
    [
      "a label that no row has",
      [{ q: "1", a: 0, options: ["x"] }],
      { ...choices, doc_to_target: "lable" },
      'the label "lable" is none of the 1 choices',
    ],
    ["a missing part", [{ q: {}, a: "1" }], { doc_to_text: "{{q.x}}" }, "doc_to_text: q.x is undefined."],
    ["a field that is no text", [{ q: ["1"], a: "1" }], { doc_to_text: "q" }, "neither a text nor a number"],
    [
      "a template with an error",
      [{ q: "1", a: "1" }],
      { doc_to_text: "{{q" },
      "doc_to_text: the template has a syntax error (Unexpected end of input).",
    ],
    [
      "a template with a block that does not end",
      [{ q: "1", a: "1" }],
      { doc_to_text: "{% for x in q %}" },
      "doc_to_text: the template has a syntax error (it ends within a block).",
    ],
    ["several targets", [{ q: "1", a: "['x', 'y']" }], {}, "several targets are not supported"],
    [
      "a label out of range",
      [{ q: "1", a: 2, options: ["x", "y"] }],
      choices,
      "the label 2 is none of the 2 choices",
    ],
    [
      "a negative label",
      [{ q: "1", a: -1, options: ["x", "y"] }],
      choices,
      "the label -1 is none of the 2 choices",
    ],
    [
      "an unknown label",
      [{ q: "1", a: "z", options: ["x"] }],
      choices,
      'the label "z" is none of the 1 choices',
    ],
    [
      "choices that are no list",
      [{ q: "1", a: 0, options: "x" }],
      choices,
      "doc_to_choice: the choices are no list",
    ],
    [
      "a choice that is no list",
      [{ q: "1", a: 0, options: "x" }],
      { ...choices, doc_to_choice: "{{options}}" },
      'doc_to_choice: "x" is no list',
    ],
    [
      "numbers of choices beside texts",
      [
        { q: "x", a: 0, options: ["x"] },
        { q: "0", a: 0, options: ["x"] },
      ],
      { ...choices, doc_to_text: "{{q}}" },
      "line 2: doc_to_text is a choice's number for some items",
    ],
    ["no rows", [], {}, "own.jsonl holds no items."],
    ["no such split", [{ q: "1", a: "1" }], { test_split: "dev" }, 'needs the split "dev"'],
    ["a split of no file", [{ q: "1", a: "1" }], { test_split: "constructor" }, "needs the split"],
    [
      "too few examples",
      [{ q: "1", a: "1" }],
      { training_split: "train", fewshot_split: "train", num_fewshot: 2 },
      "has 1 examples, of which 2 are to be drawn",
    ],
    [
      "a regular expression with an error",
      [{ q: "1", a: "1" }],
      { filter_list: [{ name: "f", filter: [{ function: "regex", regex_pattern: "(" }] }] },
      'The task own: The regular expression "("',
    ],
    [
      "a pattern to ignore with an error",
      [{ q: "1", a: "1" }],
      { metric_list: [{ metric: "exact_match", regexes_to_ignore: ["a", "*"] }] },
      'The task own: The regular expression "*"',
    ],
    [
      "an example that cannot be rendered",
      [{ q: "1", a: "1" }],
      { num_fewshot: 1, fewshot_config: { sampler: "first_n", samples: [{ q: "1" }] } },
      "an example before it (example 1 of fewshot_config): doc_to_target: a is undefined.",
    ],
  ])("%s", async (_, rows, fields, message) => {
    expect(await refusal(taskOf(rows, fields))).toContain(message);
  });

  test("a limit that is no number of items", async () => {
    expect(await refusal(taskOf([{ q: "1", a: "1" }]), { limit: 0 })).toContain(
      "a whole number of items from 1 on, not 0",
    );
  });

  test("a limit larger than a task that is named, while tasks of groups give what they have", async () => {
    const few = taskOf([{ q: "1", a: "1" }], { task: "few" });
    const more = taskOf(
      ["1", "2", "3"].map((q) => ({ q, a: q })),
      { task: "more" },
    );
    const both = { name: "both", version: "1", description: "", tasks: ["few", "more"], aggregate: [] };
    const registry = createRegistry([few, more], [both]);
    const { tasks } = await prepareTasks(["both"], { limit: 2 }, registry);
    expect(tasks.map(({ instances }) => instances.length)).toEqual([1, 2]);
    await expect(prepareTasks(["both", "few"], { limit: 2 }, registry)).rejects.toThrow(
      new InputError("The limit 2 is larger than few, which has 1 items; lower it, or leave it out."),
    );
  });

  test("answers for which the model's context has no room", async () => {
    const entry = taskOf([{ q: "1", a: "1" }]);
    await prepareTask(entry, { maxLength: 257 });
    expect(await refusal(entry, { maxLength: 256 })).toBe(
      "The task own has answers of up to 256 tokens, which leave no room for a prompt in the model's context of 256; lower max_gen_toks of the task, or take another model.",
    );
  });

  test("a missing file or folder of data", async () => {
    const entry = loadTasks().tasks.find(({ name }) => name === "gsm8k")!;
    expect(await refusal(entry, { dataDir: scratch })).toBe(
      'The task gsm8k needs the split "test", but there is no file /gsm8k/test.jsonl; put it there, or leave out the data folder to take it from the Hub.',
    );
    expect(await refusal(entry, { dataDir: join(scratch, "none") })).toContain("There is no folder /none");
  });

  test("a row that a built-in task cannot use, with its place", async () => {
    const { definition, ...entry } = loadTasks().tasks.find(({ name }) => name === "hellaswag")!;
    const path = join(scratch, "damaged.jsonl");
    writeFileSync(path, '{"ctx_a": "A", "ctx_b": "b", "label": "0", "endings": ["c"]}\n');
    const damaged = { ...definition, dataset_kwargs: { data_files: { validation: path } } };
    expect(await refusal({ ...entry, definition: damaged })).toBe(
      '/damaged.jsonl, line 1: the field "activity_label" is missing.',
    );
  });

  test("a name twice, or one that is unknown", async () => {
    await expect(prepareTasks(["gsm8k", "gsm8k"])).rejects.toThrow("The task gsm8k is named twice");
    await expect(prepareTasks(["gsm8"])).rejects.toThrow("There is no task gsm8; similar names are gsm8k");
  });
});
