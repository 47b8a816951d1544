import { describe, expect, test } from "vitest";
import { readTokenizer } from "../tokenization/golden.fixture.ts";
import { createTokenizer } from "../tokenization/hugging-face.ts";
import { createExampleReader } from "./example.ts";
import { prepareExample } from "./prepare-example.ts";

const tokenizer = createTokenizer(readTokenizer("qwen2"), "qwen2");
const read = (fields: Record<string, unknown>) =>
  createExampleReader("steps.jsonl", {}, "steps")({ fields, line: 3 });
const row = { prompt: "How many?", completions: ["2 + 3 = 5", "#### 5"], labels: [true, 0.25] };

test("TRL's rows give a label at the last token of each step, its separator included", () => {
  const options = { trainOn: "completion", applyChatTemplate: false, stepSeparator: "\n\n" } as const;
  const { examples } = prepareExample(read({ ...row, labels: [1, -100] }), tokenizer, options, "steps.jsonl");
  const [{ texts, stepLabels } = { texts: [] }] = examples;
  const { ids, trained, choices } = texts[0]!;
  expect(tokenizer.decode([...ids])).toBe("How many?2 + 3 = 5\n\n#### 5\n\n");
  const end = trained.indexOf(1);
  expect(tokenizer.decode([...ids.subarray(0, end + 1)])).toBe("How many?2 + 3 = 5\n\n");
  expect(trained.subarray(end + 1)).not.toContain(1);
  expect(choices).toEqual([tokenizer.idOf("+"), tokenizer.idOf("-")]);
  expect(stepLabels).toEqual([1]);
});

test("labels are booleans and shares, and lists may be JSON", () => {
  expect(read({ ...row, labels: "[false, 1.0]" }).solutions).toEqual([
    { steps: row.completions, labels: [0, 1] },
  ]);
  expect(read(row).solutions![0]!.labels).toEqual([1, 0.25]);
});

describe("Math-Shepherd's rows", () => {
  const question = "Janet’s ducks lay 16 eggs. How much?";
  const solution = (mark: (i: number) => string) =>
    `${question} Step 1: 16 - 3 = 13 ${mark(0)}\nStep 2: 13 * 2 = 25 ${mark(1)}`;
  const shepherd = { input: solution(() => "ки"), label: solution((i) => "+-"[i]!), task: "GSM8K" };

  test("are split at their tags", () => {
    const example = read(shepherd);
    expect(example.plain).toEqual({ prompt: question, completion: "" });
    expect(example.solutions).toEqual([
      { steps: ["Step 1: 16 - 3 = 13", "Step 2: 13 * 2 = 25"], labels: [1, 0] },
    ]);
    expect(example.ignoredFields).toEqual([]);
  });

  test("without numbered steps have a question that ends with its mark", () => {
    const steps = read({ input: "How many? 2 + 3 = 5 ки\nSo 5 ки", label: "How many? 2 + 3 = 5 +\nSo 5 +" });
    expect(steps.solutions).toEqual([{ steps: ["2 + 3 = 5", "So 5"], labels: [1, 1] }]);
  });

  test("lose a tag that stands in the question, with its label", () => {
    const input = "Add 2. ки And 3. Step 1: 5 ки";
    const { plain, solutions } = read({ input, label: "Add 2. - And 3. Step 1: 5 +" });
    expect(plain!.prompt).toBe("Add 2.  And 3.");
    expect(solutions).toEqual([{ steps: ["Step 1: 5"], labels: [1] }]);
  });

  test.each([
    [{ ...shepherd, label: solution(() => "ки") }, 'no "+" or "-" where "ки" number 1'],
    [{ ...shepherd, input: question }, 'no "ки", so that its steps have no end'],
    [{ ...shepherd, input: `${shepherd.input} Step 3: 4` }, "the last step has no end"],
    [{ input: "2 + 3 = 5 ки", label: "2 + 3 = 5 +" }, "the question has no end"],
  ])("%# are refused where they are not whole", (fields, reason) => {
    expect(() => read(fields)).toThrow(`steps.jsonl, line 3: `);
    expect(() => read(fields)).toThrow(reason);
  });
});

describe("PRM800K's rows", () => {
  const completion = (text: string, rating: number | null) => ({ text, rating, flagged: null });
  const question = { problem: "What is 2 + 3?", ground_truth_answer: "5" };

  test("give a solution for each completion that was not gone on with, and one for the path", () => {
    const steps = [
      {
        completions: [completion("Guess.", -1), completion("Add.", 1)],
        human_completion: null,
        chosen_completion: 1,
      },
      {
        completions: [completion("So 6.", 0)],
        human_completion: { text: "So 5.", rating: null },
        chosen_completion: null,
      },
      { completions: [completion("Done?", null)], human_completion: null, chosen_completion: 0 },
    ];
    const { plain, solutions } = read({
      question,
      label: { steps, finish_reason: "solution" },
      labeler: "x",
    });
    expect(plain!.prompt).toBe("What is 2 + 3?");
    expect(solutions).toEqual([
      { steps: ["Guess."], labels: [0] },
      { steps: ["Add.", "So 6."], labels: [1, 0] },
      { steps: ["Add.", "So 5.", "Done?"], labels: [1, 1, -100] },
    ]);
  });

  test("become an example each", () => {
    const steps = [{ completions: [completion("A", 1), completion("B", -1)], chosen_completion: 0 }];
    const options = { trainOn: "completion", applyChatTemplate: false } as const;
    const { examples } = prepareExample(
      read({ question, label: { steps } }),
      tokenizer,
      options,
      "steps.jsonl",
    );
    expect(examples.map(({ stepLabels }) => stepLabels)).toEqual([[0], [1]]);
  });

  test("without a rating are refused", () => {
    const steps = [{ completions: [completion("A", null)], chosen_completion: 0 }];
    expect(() => read({ question, label: { steps } })).toThrow("no step is rated");
    expect(() => read({ question: "2 + 3?", label: { steps } })).toThrow("as PRM800K's rows do");
  });
});

test.each([
  [{ ...row, labels: [true] }, "there are 2 steps and 1 labels; give each step one"],
  [{ ...row, labels: [true, "maybe"] }, "label 2 of its steps is neither"],
  [{ ...row, labels: [true, ""] }, "label 2 of its steps is neither"],
  [{ ...row, labels: [true, 2] }, "label 2 of its steps is neither"],
  [{ ...row, labels: [true, null] }, "label 2 of its steps is neither"],
  [{ ...row, labels: [-100, -100] }, "no step has a label"],
  [{ ...row, completions: [], labels: [] }, "no step has a label"],
  [{ ...row, completions: ["2 + 3 = 5", " \n"] }, "step 2 is empty"],
  [{ ...row, completions: ["2 + 3 = 5", 5] }, '"completions" is not a list of texts'],
  [{ ...row, completions: "2 + 3 = 5" }, '"completions" is not a list'],
])("TRL's rows are refused where steps and labels do not fit: %#", (fields, reason) => {
  expect(() => read(fields)).toThrow(`steps.jsonl, line 3: `);
  expect(() => read(fields)).toThrow(reason);
});

test("rows of other kinds are told apart", () => {
  expect(() => read({ question: "a", answer: "b" })).toThrow("--objective sft");
  expect(() => createExampleReader("f")({ fields: row, line: 1 })).toThrow("--objective prm");
});

test("a vocabulary without the tokens that judge is refused", () => {
  const without = {
    ...tokenizer,
    idOf: (token: string) => (token === "-" ? undefined : tokenizer.idOf(token)),
  };
  const options = { trainOn: "completion", applyChatTemplate: false } as const;
  expect(() => prepareExample(read(row), without, options, "f")).toThrow('has no token "-"');
});
