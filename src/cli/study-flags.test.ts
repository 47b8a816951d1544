import { expect, test } from "vitest";
import { captureOutput, clearErr, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", "study", ...words]);

test("each kind of study has a flag for each of its options, with its default", async () => {
  expect(await run("slimming", "--help")).toBe(0);
  const help = out.replace(/\s+/g, " ");
  expect(help).toContain("--methods <names> tuning methods (default: lora,qlora)");
  expect(help).toContain("--metric <task=score> score by which a task is judged");
  expect(help).toContain("--seeds <n,n,…> tune each model once with each seed (default: 42)");
  expect(help).toContain("--chat-template <file>");
  // Options without a flag of their own.
  expect(help).toContain("--alignment-samples <value> examples of each set");
  expect(help).toContain("--method-options <value> options of the runs of one method");
  expect(help).toContain("--variant <name:option=value> a variant of each run by one option");
  expect(help).toContain("--keep <w,w,…> a variant keep-<w> of each run");
  for (const name of ["--kind", "--limits", "[object"]) expect(help).not.toContain(name);
});

test("options without a flag of their own are given in YAML, and checked as in a file", async () => {
  const options = ["--model", "m", "--data", "a=b", "--tasks", "gsm8k", "--out", "o"];
  for (const [given, sentence] of [
    [["--alignment-samples", "few"], 'the option "alignment_samples" is the text "few"; give a number'],
    [["--method-options", "{ lora: { seed: 3 } }"], '"lora" sets "seed", which the study decides'],
  ] as const) {
    clearErr();
    expect(await run("slimming", ...options, ...given)).toBe(1);
    expect(err).toContain(sentence);
  }
});

test("variants are given by name and option, and weights of keep by a list", async () => {
  const options = ["--model", "m", "--data", "a=b", "--tasks", "gsm8k", "--out", "o"];
  for (const [given, sentence] of [
    [["--variant", "plain", "--variant", "a:seed=3"], '"a" sets "seed", which the study decides'],
    [
      ["--variant", "a:lora.r=4", "--variant", "a:lora.rank=4"],
      'for lora, variant "a": there is no option "lora.rank"',
    ],
    [["--variant", "a:learning_rate=fast"], 'variant "a": the option "learning_rate" is the text "fast"'],
    [["--variant", "a=b:1"], '"a=b:1" is not of the form name:option=value'],
    [["--variant", "a:b"], '"b" is not of the form name=value'],
    [["--keep", "0,0.1,0.1"], "A weight is given twice"],
    [["--keep", "0,-1"], "The weight -1 is below 0"],
    [["--keep", "0,much"], "It is not a number"],
    [
      ["--keep", "0,0.1", "--variant", "keep-0.1:max_steps=3"],
      '"keep-0.1" is given by --keep and by --variant',
    ],
  ] as const) {
    clearErr();
    expect(await run("slimming", ...options, ...given)).toBe(1);
    expect(err).toContain(sentence);
  }
});
