import { expect, test } from "vitest";
import { parseStudyConfig } from "../study-config.ts";
import { studyFolder } from "../study-folder.ts";
import { listCells } from "./cells.ts";
import { type GridConfig, optionsOf } from "./options.ts";

const given = {
  kind: "seeds",
  model: "fixtures/embedded-model",
  data: { math: "fixtures/miniature/math-train.jsonl", poems: "poems.jsonl" },
  methods: ["lora", "qlora"],
  tasks: ["gsm8k"],
  seeds: [1, 2],
  run: { max_steps: 100, lora: { r: 8, lora_alpha: 16 } },
  method_options: { qlora: { learning_rate: 1e-3 } },
};
const parse = (variants: unknown, more: object = {}) =>
  parseStudyConfig({ ...given, ...more, variants }, "test") as unknown as GridConfig;

test("without variants cells are as before", async () => {
  for (const config of [parse(undefined), parse({})]) {
    const cells = await listCells(config, studyFolder("study"));
    expect(cells.map(({ id }) => id)).toEqual(
      ["math", "poems"].flatMap((data) =>
        ["lora", "qlora"].flatMap((method) => [1, 2].map((seed) => `${method}-${data}-${seed}`)),
      ),
    );
    expect(cells.every((cell) => !Object.hasOwn(cell, "variant"))).toBe(true);
  }
});

test("every method tunes every set in every variant, whose options come over the others, an adapter's one by one", async () => {
  const config = parse({
    plain: {},
    "rate-5e-5": { learning_rate: 5e-5 },
    "rank-4": { lora: { r: 4 }, max_steps: 50 },
  });
  const cells = await listCells(config, studyFolder("study"));
  expect(cells).toHaveLength(2 * 2 * 3 * 2);
  expect(cells.slice(0, 6).map(({ id, variant, seed }) => [id, variant, seed])).toEqual([
    ["lora-math-plain-1", "plain", 1],
    ["lora-math-plain-2", "plain", 2],
    ["lora-math-rate-5e-5-1", "rate-5e-5", 1],
    ["lora-math-rate-5e-5-2", "rate-5e-5", 2],
    ["lora-math-rank-4-1", "rank-4", 1],
    ["lora-math-rank-4-2", "rank-4", 2],
  ]);
  expect(cells[5]!.run).toMatchObject({ max_steps: 50, lora: { r: 4, lora_alpha: 16 }, seed: 2 });
  const runOf = (id: string) => cells.find((cell) => cell.id === id)!.run;
  expect(runOf("qlora-math-plain-1").learning_rate).toBe(1e-3);
  expect(runOf("qlora-math-rate-5e-5-1").learning_rate).toBe(5e-5);
  const [single] = await listCells(parse({ plain: {} }, { seeds: [1, 2] }), studyFolder("study"));
  expect(single!.id).toBe("lora-math-plain-1");
});

test("the text of keep is left out of the runs that do not keep", () => {
  const config = {
    run: { keep_text: "neutral.txt", batch_size: 4 },
    method_options: {},
    variants: { "keep-0": { keep: 0 }, "keep-0.1": { keep: 0.1 }, slow: { learning_rate: 1e-6 } },
  };
  expect(optionsOf("lora", config, "keep-0")).toEqual({ batch_size: 4, keep: 0 });
  expect(optionsOf("lora", config, "keep-0.1")).toEqual({
    batch_size: 4,
    keep: 0.1,
    keep_text: "neutral.txt",
  });
  expect(optionsOf("lora", config, "slow")).toEqual({ batch_size: 4, learning_rate: 1e-6 });
});

test.each<[what: string, variants: unknown, more: object, sentence: string]>([
  ["no options", { a: 3 }, {}, 'the option "variants.a" is the number 3; give a table of names and values.'],
  ["a name that begins with a digit", { "4": {} }, {}, "names of variants begin with a letter"],
  ["a name that no folder can have", { "a/b": {} }, {}, "names are letters, digits"],
  ["an option that the study decides", { a: { seed: 3 } }, {}, '"a" sets "seed", which the study decides.'],
  [
    "an option that runs do not have",
    { plain: {}, a: { learningrate: 1 } },
    {},
    'test, for lora, variant "a": there is no option "learningrate"',
  ],
  [
    "an option that a method does not have",
    { "rank-4": { lora: { r: 4 } } },
    { methods: ["lora", "ia3"] },
    'test, for ia3, variant "rank-4": "lora" is an option of method "lora", not of "ia3"',
  ],
  ["a section that is none", { a: { lora: 4 } }, {}, 'variant "a": the option "lora" is the number 4'],
  [
    "two runs of one name",
    { c: {}, "b-c": {} },
    { data: { a: "x", "a-b": "y" } },
    'two runs would be called "a-b-c", by the names of their data and variant; rename one.',
  ],
])("refused: %s", (_, variants, more, sentence) => {
  expect(() => parse(variants, more)).toThrow(sentence);
});
