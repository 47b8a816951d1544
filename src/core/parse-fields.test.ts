import { describe, expect, test } from "vitest";
import * as z from "zod";
import { parseFields, parseOptions } from "./parse-fields.ts";

const schema = z.strictObject({
  rate: z.number().positive().optional(),
  share: z.number().min(0).lt(1).optional(),
  steps: z.int().min(1).optional(),
  packing: z.boolean().optional(),
  path: z.string().min(1).optional(),
  kind: z.enum(["linear", "cosine", "constant"]).optional(),
  size: z.union([z.literal("auto"), z.int().min(1)]).optional(),
  targets: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  tasks: z.array(z.string()).min(1).optional(),
  limits: z.record(z.string(), z.int()).optional(),
  once: z.literal(1).optional(),
  lora: z.strictObject({ r: z.int(), alpha: z.number() }).optional(),
  named: z.string().regex(/^a+$/, "names are of the letter a").optional(),
});

const cases: [options: unknown, sentence: string][] = [
  [{ rate: "2e-4" }, 'the option "rate" is the text "2e-4"; give a number: 2e-4 without quotes.'],
  [{ rate: "fast" }, 'the option "rate" is the text "fast"; give a number.'],
  [{ rate: null }, 'the option "rate" is empty; give a number.'],
  [{ rate: true }, 'the option "rate" is true; give a number.'],
  [{ rate: [1] }, 'the option "rate" is a list; give a number.'],
  [{ rate: { a: 1 } }, 'the option "rate" is a table of names and values; give a number.'],
  [{ rate: Number.NaN }, 'the option "rate" is the number NaN; give a number.'],
  [{ rate: 0 }, 'the option "rate" is 0; it must be above 0.'],
  [{ share: -1 }, 'the option "share" is -1; it must be at least 0.'],
  [{ share: 1 }, 'the option "share" is 1; it must be below 1.'],
  [{ steps: 1.5 }, 'the option "steps" is the number 1.5; give a whole number.'],
  [{ steps: "10" }, 'the option "steps" is the text "10"; give a number: 10 without quotes.'],
  [{ steps: 0 }, 'the option "steps" is 0; it must be at least 1.'],
  [
    { packing: "false" },
    'the option "packing" is the text "false"; give true or false: false without quotes.',
  ],
  [{ packing: "yes" }, 'the option "packing" is the text "yes"; give true or false.'],
  [{ path: 5 }, 'the option "path" is the number 5; give a text: "5" in quotes.'],
  [{ path: "" }, 'the option "path" is empty.'],
  [{ kind: "square" }, 'the option "kind" is the text "square"; give "linear", "cosine" or "constant".'],
  [{ size: "all" }, 'the option "size" is the text "all"; give "auto" or a number.'],
  [{ size: "5" }, 'the option "size" is the text "5"; give "auto" or a number: 5 without quotes.'],
  [{ size: 0 }, 'the option "size" is 0; it must be at least 1.'],
  [{ targets: 5 }, 'the option "targets" is the number 5; give a text or a list: "5" in quotes.'],
  [{ targets: [] }, 'the option "targets" is a list of 0; give at least 1.'],
  [{ targets: [5] }, 'the option "targets" is bad: 0: it is the number 5; give a text: "5" in quotes.'],
  [{ tasks: "gsm8k" }, 'the option "tasks" is the text "gsm8k"; give a list: [gsm8k].'],
  [{ limits: { gsm8k: "5" } }, 'the option "limits.gsm8k" is the text "5"; give a number: 5 without quotes.'],
  [{ once: 2 }, 'the option "once" is the number 2; give 1.'],
  [{ lora: { r: 4 } }, 'the option "lora.alpha" is missing.'],
  [
    { lora: { r: 4, alpha: 8, rank: 1 } },
    'there is no option "lora.rank"; the options of lora are r, alpha.',
  ],
  [{ rat: 1 }, 'there is no option "rat"; the options are rate, share, steps,'],
  [{ named: "b" }, 'the option "named" is bad: names are of the letter a.'],
];

test.each(cases)("options %j", (options, sentence) => {
  expect(() => parseOptions(schema, options, "run.yaml")).toThrow(`run.yaml: ${sentence}`);
});

describe("fields", () => {
  test("are named with their place", () => {
    const parse = (value: unknown) => () => parseFields(schema, value, "task.yaml");
    expect(parse({ steps: "10" })).toThrow(
      'task.yaml: steps: it is the text "10"; give a number: 10 without quotes.',
    );
    expect(parse({ lora: { r: 4 } })).toThrow("task.yaml: lora.alpha: it is missing.");
    expect(parse({ lora: { r: 4, alpha: 8, rank: 1 } })).toThrow(
      "task.yaml: the field rank in lora is not supported; leave it out, or see the documentation.",
    );
    expect(parse([])).toThrow("task.yaml: it is a list; give a table of names and values.");
  });

  test("are given back with their defaults", () => {
    expect(parseFields(z.object({ a: z.int().default(3) }), {}, "x")).toEqual({ a: 3 });
  });
});
