import { Command, type Option } from "commander";
import { expect, test } from "vitest";
import { addTuneCommands } from "../../cli/tune.ts";
import { fileOptionHelp, optionHelp } from "../../node/training/option-help.ts";
import { listRunOptions } from "./options.ts";

const options = listRunOptions();
const find = (name: string) => options.find((option) => option.name === name)!;

test("every flag of `slimtune tune` is an option of the studio's, with its help and its choices", () => {
  const program = new Command();
  addTuneCommands(program);
  const tune = program.commands.find((command) => command.name() === "tune")!;
  const flags = new Map(tune.options.map((option: Option) => [option.long!, option]));
  for (const own of ["--config", "--print-config", "--json", "--out"]) expect(flags.delete(own)).toBe(true);
  const described = options.filter(({ flag }) => flag !== undefined);
  expect(new Set(described.map(({ flag }) => flag))).toEqual(new Set(flags.keys()));
  for (const { flag, help, choices } of described) {
    expect(help).toBe(flags.get(flag!)!.description);
    const { argChoices } = flags.get(flag!)!;
    if (argChoices) expect(choices, flag).toEqual(argChoices);
  }
});

test("no help text is of an option that there is not", () => {
  const names = new Set(options.map(({ name }) => name.split(".").at(-1)));
  expect(Object.keys({ ...optionHelp, ...fileOptionHelp }).filter((name) => !names.has(name))).toEqual([
    "out",
  ]);
});

test("options are of the kind, and have the default, of the schema", () => {
  expect(options).not.toContainEqual(expect.objectContaining({ help: undefined }));
  expect(find("model")).toEqual({
    name: "model",
    flag: "--model",
    kind: "text",
    help: optionHelp.model,
    isBasic: true,
  });
  expect(find("packing")).toMatchObject({ kind: "boolean", flag: "--no-packing", default: true });
  expect(find("segment_size")).toMatchObject({ kind: "integer", choices: ["auto"], default: "auto" });
  expect(find("fields")).toMatchObject({ kind: "mapping", default: {} });
  expect(find("lora.rank_pattern")).toMatchObject({ kind: "mapping", holds: "number" });
  expect(find("lora.modules_to_save")).toMatchObject({ kind: "list", choices: ["embed_tokens", "lm_head"] });
  expect(find("lora.target_modules")).toMatchObject({ kind: "names", default: "all-linear" });
});

test("options of methods and objectives name them, and the defaults that these differ in", () => {
  expect(find("lora.r")).toMatchObject({ default: 16, methods: expect.arrayContaining(["qlora", "dora"]) });
  expect(find("lora.use_dora").defaults).toMatchObject({ lora: false, dora: true });
  expect(find("learning_rate").defaults).toMatchObject({ lora: 2e-4, full: 2e-5 });
  expect(find("num_generations")).toMatchObject({ objectives: ["grpo", "rloo"], kind: "integer" });
  expect(find("temperature").objectives).toEqual(["distill", "grpo", "rloo"]);
  expect(find("seed")).not.toHaveProperty("methods");
});
