import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import { prepareTasks } from "../prepare.ts";
import { createRegistry, loadTasks } from "./registry.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-tasks-"));
const folder = join(scratch, "tasks");
const path = join(folder, "own.yaml");
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const basic = `
task: own
dataset_path: rows.jsonl
doc_to_text: "Q: {{q}}\\nA:"
doc_to_target: "{{a}}"
`;

function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message.replaceAll(folder, "");
  }
  throw new Error("It is not refused.");
}

describe("built-in tasks", () => {
  const { tasks, groups, find, select } = loadTasks();

  test("all are described", () => {
    expect(tasks.length).toBe(1 + 4 + 7 + 1 + 57);
    for (const { description, items, licence, definition, name } of tasks) {
      expect(description).toMatch(/[.?)]$/);
      expect(items).toBeGreaterThan(0);
      expect(licence).not.toBe("");
      expect(definition.task).toBe(name);
    }
  });

  test("MMLU is whole, by category", () => {
    const items = (group: string) => select([group]).tasks.reduce((sum, { items }) => sum + items!, 0);
    expect(items("mmlu")).toBe(14042);
    expect(["stem", "other", "social_sciences", "humanities"].map((name) => items(`mmlu_${name}`))).toEqual([
      3153, 3107, 3077, 4705,
    ]);
    expect(items("mmlu_cs")).toBe(412);
    expect(find("mmlu")).toMatchObject({ version: "2", aggregate: [{ metric: "acc", weightBySize: true }] });
  });

  test("a task in two groups is selected once", () => {
    const { tasks: selected, groups: found } = select(["mmlu_cs", "mmlu", "mmlu_anatomy"]);
    expect(selected.length).toBe(57);
    expect(found.map(({ name }) => name)).toEqual(["mmlu_cs", "mmlu"]);
  });

  test("unknown names are refused with similar ones", () => {
    expect(refusal(() => find("helaswag"))).toBe("There is no task helaswag; similar names are hellaswag.");
    expect(refusal(() => find("mmlu_machine_learing"))).toContain("mmlu_machine_learning");
    expect(refusal(() => find("qqq"))).toBe("There is no task qqq; see the list of tasks.");
  });

  test("at least one task is selected, and none twice", () => {
    expect(refusal(() => select([]))).toBe("No task is named; name at least one.");
    expect(refusal(() => select(["gsm8k", "gsm8k"]))).toContain("gsm8k is named twice");
  });

  test.each(["../../x", "a/b", "a,b", "", "..", "__proto__", "a".repeat(201)])(
    "%j is no name, for it could not be that of a file or stand in a list",
    (name) => {
      expect(refusal(() => createRegistry([{ ...tasks[0]!, name }]))).toContain("cannot be a task's name");
    },
  );

  test("names are unique, and groups hold tasks", () => {
    expect(refusal(() => createRegistry([tasks[0]!, tasks[0]!]))).toContain("Two tasks are named hellaswag");
    expect(refusal(() => createRegistry([], [groups[0]!]))).toContain("There is no task mmlu_");
    const nested = { ...groups[0]!, name: "nested", tasks: [groups[0]!.name] };
    expect(refusal(() => createRegistry(tasks, [groups[0]!, nested]))).toContain("names the group mmlu");
  });
});

describe("tasks in YAML files", () => {
  test("a file beside the definition is evaluated", async () => {
    writeFileSync(join(folder, "rows.jsonl"), '{"q": "1+1", "a": "2"}\n{"q": "2+2", "a": "4"}\n');
    writeFileSync(
      path,
      `${basic}
num_fewshot: 1
test_split: null
validation_split: all
metric_list:
  - metric: judged
    judge: same_number
filter_list:
  - name: last
    filter:
      - function: regex
        regex_pattern: (-?\\d+)
        group_select: -1
metadata: {version: 1.5}
`,
    );
    const registry = loadTasks([folder]);
    const { tasks } = await prepareTasks(["own"], {}, registry);
    expect(tasks[0]).toMatchObject({ name: "own", version: "1.5", size: 2, numFewshot: 1 });
    expect(tasks[0]!.instances.map(({ requests }) => requests[0])).toMatchObject([
      { context: "Q: 2+2\nA: 4\n\nQ: 1+1\nA:" },
      { context: "Q: 1+1\nA: 2\n\nQ: 2+2\nA:" },
    ]);
    expect(tasks[0]!.metrics[0]!.metric).toBe("judged");
  });

  test("choices, data_files and the words of YAML 1.1 are read as the harness reads them", async () => {
    writeFileSync(join(folder, "rows.csv"), "q,label\nWater is wet,1\n");
    writeFileSync(
      path,
      `
task: own
tag: [mine]
dataset_path: csv
dataset_name: null
dataset_kwargs: {data_files: {test: rows.csv}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{q}}? "
doc_to_target: label
doc_to_choice: {no: "no", yes: "yes"}
target_delimiter: ""
should_decontaminate: yes
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: yes}
`,
    );
    const { tasks } = await prepareTasks(["own"], {}, loadTasks([path]));
    expect(tasks[0]!.instances[0]).toMatchObject({
      target: 1,
      requests: [
        { context: "Water is wet? ", continuation: "no" },
        { context: "Water is wet? ", continuation: "yes" },
      ],
      reference: { gold: 1 },
    });
  });

  test("labels of 64 bits, as Parquet has them, are numbers of choices", async () => {
    writeFileSync(
      path,
      `
task: own
dataset_path: ${resolve("fixtures/evaluation/choices.parquet")}
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: label
doc_to_choice: "{{choices.text}}"
`,
    );
    const { tasks } = await prepareTasks(["own"], {}, loadTasks([path]));
    expect(tasks[0]!.instances[1]).toMatchObject({
      doc: { label: 1 },
      target: 1,
      requests: [
        { context: "What is hot?", continuation: " Ice" },
        { context: "What is hot?", continuation: " Fire" },
      ],
      reference: { choices: ["Ice", "Fire"] },
    });
  });

  test("groups join tasks", () => {
    writeFileSync(path, basic);
    writeFileSync(
      join(folder, "group.yml"),
      "group: both\ntask: [own, gsm8k]\naggregate_metric_list: [{metric: exact_match, weight_by_size: false}]\n",
    );
    expect(loadTasks([folder]).find("both")).toMatchObject({
      tasks: ["own", "gsm8k"],
      aggregate: [{ metric: "exact_match", weightBySize: false }],
    });
  });

  test.each([
    ["process_docs: !function utils.process_docs", "/own.yaml: !function is not supported, because code"],
    ["process_docs: utils.process_docs", "/own.yaml: process_docs is not supported; functions in files"],
    ["include: other.yaml", "/own.yaml: include is not supported; write all fields"],
    ["doc_to_txt: q", "/own.yaml: the field doc_to_txt is not supported"],
    ["num_fewshot: -1", "/own.yaml: num_fewshot: "],
    ["filter_list: [{name: a, filter: [{function: majority_vote}]}]", "/own.yaml: filter_list.0.filter.0"],
    ["metric_list: [{metric: bleu}]", "/own.yaml: metric_list.0.metric: "],
    ["metric_list: [{metric: acc}]", "/own.yaml: the metric acc is not for the output_type generate_until"],
    ["metric_list: [{metric: judged, judge: eval}]", "/own.yaml: metric_list.0.judge: "],
    [
      "metric_list: [{metric: exact_match, ignore_numbers: true}]",
      "the field ignore_numbers in metric_list.0",
    ],
    ["doc_to_choice: [a, b]", "/own.yaml: doc_to_choice must be given for multiple_choice, and for it only."],
    ["output_type: multiple_choice", "/own.yaml: doc_to_choice must be given"],
    [
      "test_split: a\ndataset_kwargs: {data_files: {a: x}}",
      "/own.yaml: data_files goes with a dataset_path of json",
    ],
    ["a: [", "/own.yaml is not valid YAML: "],
    ["task: again", "/own.yaml is not valid YAML: "],
    ["tag: *nowhere", "/own.yaml is not valid YAML: Unresolved alias"],
    [
      ["a: &a [x, x]", "b: &b [*a, *a]", ...Array.from({ length: 60 }, (_, i) => `c${i}: [*b, *b]`)].join(
        "\n",
      ),
      "/own.yaml is not valid YAML: Excessive alias count",
    ],
  ])("%s is refused", (line, message) => {
    writeFileSync(path, `${basic}${line}\n`);
    expect(refusal(() => loadTasks([path]))).toContain(message);
  });

  test("what is no definition is refused", () => {
    expect(refusal(() => loadTasks([folder]))).toBe(" holds no .yaml files with tasks.");
    expect(refusal(() => loadTasks([path]))).toBe("There is no file /own.yaml with a task.");
    expect(refusal(() => loadTasks(["/dev/null"]))).toMatch(/^\/dev\/null is a pipe or a device/);
    writeFileSync(path, "");
    expect(refusal(() => loadTasks([path]))).toBe("/own.yaml holds no fields of a task.");
    writeFileSync(path, "- a\n");
    expect(refusal(() => loadTasks([path]))).toBe("/own.yaml holds no fields of a task.");
    writeFileSync(
      path,
      "task: own\ndataset_path: json\ntest_split: test\ndoc_to_text: q\ndoc_to_target: a\n",
    );
    expect(refusal(() => loadTasks([path]))).toContain("name files in dataset_kwargs.data_files");
    writeFileSync(path, "group: g\ntask: [a]\nx: 1\n");
    expect(refusal(() => loadTasks([path]))).toContain("/own.yaml: ");
    writeFileSync(path, "task: own\ndoc_to_text: q\ndoc_to_target: a\n");
    expect(refusal(() => loadTasks([path]))).toBe("/own.yaml: dataset_path: it is missing.");
    writeFileSync(path, basic.replace("own", "gsm8k"));
    expect(refusal(() => loadTasks([path]))).toContain("Two tasks are named gsm8k; give yours another name.");
  });
});
