import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import { fillDisk } from "../node/files/disk.fixture.ts";
import { readMetrics } from "../node/training/metrics-log.ts";
import { captureOutput, clearErr, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const allData = "fixtures/miniature/math-train.jsonl";
const data = writeFirstExamples(scratch, "math");

captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", ...words]);

function write(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

/** A copy of the embedded model in which one thing is changed. */
function damaged(name: string, change: (folder: string) => void): string {
  const folder = join(scratch, name);
  cpSync(model, folder, { recursive: true });
  change(folder);
  return folder;
}

const editConfig = (folder: string, changes: object) => {
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...changes }));
};

test("a key that is not known is named in a warning", async () => {
  const folder = damaged("unknown-key", (folder) => editConfig(folder, { residual_multiplier: 0.2 }));
  expect(await run("estimate", "--model", folder)).toBe(0);
  await vi.waitFor(() =>
    expect(err).toContain(`slimtune: warning: ${folder}/config.json sets "residual_multiplier", which`),
  );
});

test("pairs are shown with both answers, as text and as JSON", async () => {
  const pairs = write(
    "pairs.jsonl",
    JSON.stringify({ prompt: "2+2?", chosen: "4", rejected: "5", weight: 2 }),
  );
  const words = ["inspect", "--objective", "dpo", "--model", model, "--data", pairs];
  expect(await run(...words)).toBe(0);
  expect(out).toMatch(
    /^── example 1, \d+ tokens, weight 2\n[^⟦]*2\+2\?[^⟦]*── chosen\n⟦4<\|end\|>⟧\s+── rejected\n⟦5<\|end\|>⟧\s+1 examples \(pairs\)/,
  );
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(JSON.parse(out).examples).toMatchObject([
    { chosen: { trained: expect.any(Array) }, rejected: { ids: expect.any(Array) }, weight: 2 },
  ]);
});

describe("bad input ends with one sentence and exit code 1", () => {
  const cases: Record<string, () => [words: string[], sentence: string | RegExp]> = {
    "a model that does not exist": () => [
      ["inspect", "--model", "nowhere", "--data", data],
      "There is no model at nowhere.",
    ],
    "a folder that is no model": () => [
      ["inspect", "--model", scratch, "--data", data],
      "holds no config.json",
    ],
    "an unknown architecture": () => [
      [
        "inspect",
        "--model",
        damaged("bert", (folder) => editConfig(folder, { model_type: "bert" })),
        "--data",
        data,
      ],
      'describes a "bert" model, which is not supported; supported are llama, mistral, qwen2, qwen3',
    ],
    "truncated weights": () => [
      [
        "tune",
        "--model",
        damaged("cut", (folder) => truncateSync(join(folder, "model.safetensors"), 100_000)),
        "--data",
        data,
        "--out",
        join(scratch, "never"),
      ],
      /model\.safetensors/,
    ],
    "a tensor of another shape": () => [
      [
        "tune",
        "--model",
        damaged("shape", (folder) => editConfig(folder, { intermediate_size: 448 })),
        "--data",
        data,
        "--out",
        join(scratch, "never"),
      ],
      /"model\.layers\.0\.mlp\.gate_proj\.weight" has the shape \[384, 128\], but the model's configuration asks for \[448, 128\]/,
    ],
    "a missing tensor": () => [
      [
        "tune",
        "--model",
        damaged("layers", (folder) => editConfig(folder, { num_hidden_layers: 6 })),
        "--data",
        data,
        "--out",
        join(scratch, "never"),
      ],
      'lacks the tensor "model.layers.5.',
    ],
    "a broken line": () => [
      [
        "inspect",
        "--model",
        model,
        "--data",
        write("broken.jsonl", '{"question":"a","answer":"b"}\n{"question":\n'),
      ],
      'broken.jsonl, line 2, column 1: it is not valid JSON: it ends before the "{" is closed',
    ],
    "answers with a label for an objective that learns from pairs": () => [
      [
        "inspect",
        "--objective",
        "dpo",
        "--model",
        model,
        "--data",
        write("labels.jsonl", JSON.stringify({ prompt: "2+2?", completion: "4", label: true })),
      ],
      "but pairs of a chosen and a rejected answer are wanted; use `--objective kto`",
    ],
    "an empty file": () => [
      ["inspect", "--model", model, "--data", write("empty.jsonl", "\n")],
      "holds no examples.",
    ],
    "no label at all": () => [
      [
        "inspect",
        "--model",
        model,
        "--data",
        write("long.jsonl", `${JSON.stringify({ question: "many words ".repeat(40), answer: "one" })}\n`),
        "--context",
        "40",
        "--overlong",
        "truncate",
      ],
      "none is left to train on",
    ],
    "an example longer than the context": () => [
      ["inspect", "--model", model, "--data", data, "--context", "16"],
      /line 1: the example has \d+ tokens, more than the context of 16/,
    ],
    "a template that raises": () => [
      [
        "inspect",
        "--model",
        damaged("raises", (folder) => {
          const path = join(folder, "tokenizer_config.json");
          writeFileSync(
            path,
            JSON.stringify({
              ...JSON.parse(readFileSync(path, "utf8")),
              chat_template: "{{ raise_exception('no such role') }}",
            }),
          );
        }),
        "--data",
        data,
      ],
      "no such role",
    ],
    "an unknown target module": () => [
      [
        "tune",
        "--model",
        model,
        "--data",
        data,
        "--target-modules",
        "q_porj",
        "--out",
        join(scratch, "never"),
      ],
      'names "q_porj", which is no linear layer of this model; did you mean "q_proj"?',
    ],
    "an output folder that is not empty": () => [
      ["tune", "--model", model, "--data", data, "--out", scratch],
      `The output folder ${scratch} is not empty; choose another one.`,
    ],
    "an option that does not exist": () => [
      [
        "tune",
        "--config",
        write("typo.yaml", "learning_rat: 0.1\n"),
        "--model",
        model,
        "--data",
        data,
        "--out",
        join(scratch, "never"),
      ],
      'typo.yaml: there is no option "learning_rat"',
    ],
    "a number in quotes": () => [
      [
        "tune",
        "--config",
        write("quoted.yaml", 'learning_rate: "2e-4"\n'),
        "--model",
        model,
        "--data",
        data,
        "--out",
        "never",
      ],
      'quoted.yaml: the option "learning_rate" is the text "2e-4"; give a number: 2e-4 without quotes.',
    ],
    "a folder to go on with that is no adapter": () => [
      [
        "tune",
        "--adapter",
        "fixtures/reference/continued",
        "--model",
        model,
        "--data",
        data,
        "--out",
        "never",
      ],
      "so this folder is not an adapter",
    ],
    "a rank that is not the adapter's": () => [
      [
        "tune",
        "--adapter",
        "fixtures/reference/continued/adapter",
        "--r",
        "8",
        "--model",
        model,
        "--data",
        data,
        "--out",
        "never",
      ],
      'the option "lora.r" is 8, but the adapter',
    ],
    "a required option left out": () => [
      ["tune", "--model", model, "--out", join(scratch, "never")],
      'the option "data" is missing.',
    ],
    "a context beyond the model's": () => [
      ["tune", "--model", model, "--data", data, "--context", "100000", "--out", join(scratch, "never")],
      "is longer than the 512 that",
    ],
    "an adapter that is none": () => [
      ["generate", "--model", model, "--adapter", scratch, "hello"],
      "adapter_config.json, so this folder is not an adapter.",
    ],
    "an adapter for another base model": () => [
      ["generate", "--model", model, "--adapter", "fixtures/reference/lora/llama-all-linear", "hello"],
      /the adapter is for another base model|lacks the tensor/,
    ],
    "weights that are no numbers": () => [
      [
        "generate",
        "--model",
        damaged("nan", (folder) => {
          const path = join(folder, "model.safetensors");
          const bytes = readFileSync(path);
          // The last is a weight of a norm or of the last block, in float16: a NaN.
          bytes.writeUInt16LE(0x7e00, bytes.length - 2);
          writeFileSync(path, bytes);
        }),
        "hello",
      ],
      "The model's logits are not finite numbers",
    ],
    "a negative temperature": () => [
      ["generate", "--model", model, "--temperature", "-1", "hello"],
      "The temperature is -1, but must be 0 or more.",
    ],
    "no probability to draw from": () => [
      ["generate", "--model", model, "--temperature", "1", "--top-p", "0", "hello"],
      "Top-p is 0, but must be above 0 and at most 1.",
    ],
    "an estimate for a context beyond the model's": () => [
      ["estimate", "--model", model, "--context", "1000"],
      "The context of 1000 tokens is longer than the 512",
    ],
    "a writer's option without a writer": () => [
      ["estimate", "--model", model, "--prm"],
      "--prm belongs to --write, which is not given.",
    ],
    "options that contradict each other": () => [
      ["tune", "--model", model, "--data", data, "--method", "pissa", "--storage", "nf4", "--out", "never"],
      'PiSSA takes a part out of the base weights, which needs storage "float32", not "nf4".',
    ],
    "an estimate with an option of another method": () => [
      ["estimate", "--model", model, "--method", "full", "--r", "8"],
      'method "full" trains the model\'s own weights and has no adapter',
    ],
    "more blocks to train than there are": () => [
      [
        "tune",
        "--model",
        model,
        "--data",
        data,
        "--method",
        "freeze",
        "--freeze-trainable-layers",
        "9",
        "--out",
        join(scratch, "never"),
      ],
      '"freeze_trainable_layers" is 9, but the model has 5 blocks',
    ],
    "merging a run that has no adapter": () => {
      const folder = join(scratch, "frozen");
      mkdirSync(folder);
      writeFileSync(join(folder, "config.yaml"), stringify({ model, data, method: "freeze", out: folder }));
      return [["merge", folder, "--out", join(scratch, "never")], "whose result is a plain model already"];
    },
    "a run that does not exist": () => [
      ["resume", join(scratch, "nothing")],
      "holds no config.yaml, so it is not the folder of a run.",
    ],
  };
  test.each(Object.entries(cases))("%s", async (_name, create) => {
    const [words, sentence] = create();
    expect(await run(...words)).toBe(1);
    expect(err).toMatch(sentence);
    const lines = err
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("slimtune: "));
    expect(lines).toHaveLength(1);
    expect(err).not.toMatch(/^\s+at /m);
  });
});

test.each([
  ["estimate", "--context", "0"],
  ["estimate", "--context", "-5"],
  ["estimate", "--r", "1.5"],
  ["inspect", "--show", "-1"],
  ["generate", "--max-new-tokens", "0"],
])("%s %s %s is refused before anything is read", async (command, option, value) => {
  expect(await run(command, "--model", "nowhere", option, value)).toBe(1);
  expect(err).toMatch(
    new RegExp(
      `option '${option} <.*>' argument '${value}' is invalid. It is not a whole number of at least`,
    ),
  );
});

test("--verbose shows where an error happened", async () => {
  expect(await run("inspect", "--model", "nowhere", "--data", data, "--verbose")).toBe(1);
  expect(err).toMatch(/InputError: .*\n {4}at /);
});

describe("a full disk", () => {
  test("ends a run with the command that goes on with it", async () => {
    const folder = join(scratch, "full");
    const words = ["--model", model, "--data", data, "--max-steps", "1", "--out", folder];
    expect(await run("tune", ...words)).toBe(0);
    rmSync(join(folder, "adapter"), { recursive: true });
    const makeRoom = fillDisk("metrics.jsonl");
    clearErr();
    expect(await run("resume", folder)).toBe(1);
    makeRoom();
    expect(err).toContain(
      `slimtune: The disk is full; free some space and go on with \`slimtune resume ${folder}\`.\n`,
    );
    expect(await run("resume", folder)).toBe(0);
  });

  // Every write to /dev/full fails as one to a full disk does.
  test.skipIf(!existsSync("/dev/full"))("ends any other command with the advice to run it again", () => {
    // The built command (npm test builds it first), so that its real standard output is used.
    const disk = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(
      process.execPath,
      ["bin/slimtune.js", "inspect", "--model", model, "--data", data],
      { stdio: ["ignore", disk, "pipe"], encoding: "utf8" },
    );
    closeSync(disk);
    expect(stderr).toBe("slimtune: The disk is full; free some space and run the command again.\n");
    expect(status).toBe(1);
  });
});

test("output that nobody reads to its end is no error", async () => {
  const words = ["bin/slimtune.js", "inspect", "--model", model, "--data", allData];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let printed = "";
  child.stderr.on("data", (chunk) => {
    printed += chunk;
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(printed).not.toMatch(/EPIPE|^\s+at /m);
});

test("every command shows an example in its help", async () => {
  async function checkHelp(words: readonly string[]): Promise<void> {
    clearOut();
    expect(await run(...words, "--help")).toBe(0);
    const [, list] = /\nCommands:\n((?: .*\n)+)/.exec(out) ?? [];
    if (list === undefined) expect(out).toMatch(new RegExp(`Examples?:\n  slimtune ${words.join(" ")}`));
    for (const [, name] of (list ?? "").matchAll(/^ {2}(\w+)/gm))
      if (name !== "help") await checkHelp([...words, name!]);
  }
  await checkHelp([]);
});

test("a run that is finished is not resumed, but named with its result", async () => {
  const folder = join(scratch, "finished");
  const words = ["--model", model, "--data", data, "--max-steps", "1", "--out", folder];
  const samples = ["--sample-prompt", "How are\nyou?", "--sample-prompt", "Bye", "--sample-tokens", "4"];
  expect(await run("tune", ...words, ...samples)).toBe(0);
  expect(out).not.toMatch(/AMU|PCU|AEC|\bTT\b/);
  expect(out).toMatch(
    /\nHow are you\?\n {2}before {2}\S.*\n {2}tuned {3}\S.*\nBye\n {2}before {2}\S.*\n {2}tuned {3}\S/,
  );
  const next = `slimtune chat --model ${model} --adapter ${folder}/adapter\n`;
  expect(out).toContain("Next:\n");
  expect(out).toContain(next);
  expect(out).toContain(`slimtune merge ${folder} --out ${folder}-merged\n`);
  const written = readFileSync(join(folder, "metrics.jsonl"), "utf8");
  clearOut();
  expect(await run("resume", folder)).toBe(0);
  expect(out).toContain(`The run in ${folder} is finished; its result is in ${folder}/adapter.\nNext:\n`);
  expect(out).toContain(next);
  clearOut();
  expect(await run("resume", folder, "--json")).toBe(0);
  expect(JSON.parse(out)).toEqual({ outcome: "finished", folder, output: join(folder, "adapter") });
  expect(readFileSync(join(folder, "metrics.jsonl"), "utf8")).toBe(written);
});

test("--print-config shows every option, and what it shows is a configuration", async () => {
  expect(await run("tune", "--method", "qlora", "--r", "8", "--print-config")).toBe(0);
  const config = parse(out);
  expect(config).toMatchObject({
    method: "qlora",
    storage: "nf4",
    learning_rate: 2e-4,
    lora: { r: 8, lora_alpha: 32 },
  });
});

test("rewards are named by commas, with numbers between which there are commas, too", async () => {
  const flags = [
    "--objective",
    "grpo",
    "--reward",
    "correct,l1-exact:0.001,200,./my-reward.js",
    "--epsilon",
    "0.1",
  ];
  expect(await run("tune", ...flags, "--print-config")).toBe(0);
  expect(parse(out)).toMatchObject({
    reward: ["correct", "l1-exact:0.001,200", "./my-reward.js"],
    loss_type: "dapo",
    num_generations: 8,
    beta: 0,
    epsilon: 0.1,
    learning_rate: 2e-5,
  });
});

test("estimate says what texts written side by side take", async () => {
  expect(await run("estimate", "--model", model, "--write", "64")).toBe(0);
  expect(out).toMatch(
    /^64 texts of 512 tokens side by side: at most about 1\.4 GB \(weights 4\.5 MB, keys and values 168 MB, beginnings kept for others 1\.1 GB, activations \d\.\d MB\)\.\n$/,
  );
  clearOut();
  expect(
    await run("estimate", "--model", model, "--write", "64", "--prm", "--context", "256", "--json"),
  ).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ length: 256, keptBytes: 2 ** 31 });
});

test("estimate counts what a model writes itself", async () => {
  const words = ["--data", data, "--max-steps", "3", "--max-completion-length", "64", "--objective", "grpo"];
  expect(await run("estimate", "--model", model, "--json", ...words)).toBe(0);
  const eight = JSON.parse(out);
  expect(eight).toMatchObject({ steps: 3, held_out: 0, evaluations: 0 });
  expect(eight.longest_example).toBeGreaterThan(64);
  // Eight answers to each of eight prompts a step.
  expect(eight.trained_tokens).toBeGreaterThan(3 * 8 * 8 * 64);
  clearOut();
  expect(await run("estimate", "--model", model, "--json", ...words, "--num-generations", "2")).toBe(0);
  const two = JSON.parse(out);
  expect(two.trained_tokens / eight.trained_tokens).toBeCloseTo(1 / 4, 3);
  // Either has the sixteen that are written at a time.
  expect(two.estimates[0].peakBytes).toBe(eight.estimates[0].peakBytes);
  // Prompts with their right answers are not those that a teacher would answer first.
  const prompts = write("prompts.jsonl", '{"prompt": "2 + 3 =", "answer": "5"}\n'.repeat(8));
  const short = ["--objective", "grpo", "--max-completion-length", "64"];
  expect(await run("estimate", "--model", model, "--data", prompts, ...short)).toBe(0);
});

test("flags override a file's options one by one", async () => {
  const file = write("dora.yaml", "method: dora\nlearning_rate: 0.001\nlora:\n  r: 4\n  lora_alpha: 8\n");
  expect(await run("tune", "--config", file, "--r", "2", "--method", "lora+", "--print-config")).toBe(0);
  expect(parse(out)).toMatchObject({
    method: "lora+",
    learning_rate: 0.001,
    loraplus_lr_ratio: 16,
    lora: { r: 2, lora_alpha: 8, use_dora: false },
  });
});

test("estimate knows every method and storage", async () => {
  const estimate = async (...words: string[]) => {
    clearOut();
    expect(await run("estimate", "--model", model, "--json", ...words)).toBe(0);
    return JSON.parse(out).estimates[0];
  };
  const lora = await estimate();
  const dora = await estimate("--method", "dora");
  expect(dora.trainableParameters).toBeGreaterThan(lora.trainableParameters);
  const int8 = await estimate("--storage", "int8");
  const qlora = await estimate("--method", "qlora");
  expect(int8.weightBytes).toBeLessThan(lora.weightBytes);
  expect(qlora.weightBytes).toBeLessThan(int8.weightBytes);
  const [one, two, full] = [
    await estimate("--method", "freeze", "--freeze-trainable-layers", "1"),
    await estimate("--method", "freeze"),
    await estimate("--method", "full"),
  ];
  expect(two.trainableParameters).toBe(2 * one.trainableParameters);
  expect(two.flops).toBeLessThan(full.flops);
  expect(full.trainableParameters).toBe(full.totalParameters);
});

test("estimate and tune choose the same segments, and count the same steps and evaluations", async () => {
  const words = [
    "--model",
    model,
    "--data",
    data,
    "--max-steps",
    "8",
    "--validation",
    "5",
    "--eval-steps",
    "3",
  ];
  expect(await run("estimate", ...words, "--json")).toBe(0);
  const estimated = JSON.parse(out);
  const folder = join(scratch, "estimated");
  expect(await run("tune", ...words, "--out", folder)).toBe(0);
  const config = parse(readFileSync(join(folder, "config.yaml"), "utf8"));
  expect(config.segment_size).toBe(estimated.segment_size);
  const metrics = readMetrics(join(folder, "metrics.jsonl"));
  const steps = metrics.filter((line) => "loss" in line);
  expect(steps).toHaveLength(estimated.steps);
  expect(metrics.length - steps.length).toBe(estimated.evaluations);
  expect(estimated.evaluations).toBe(4);
  expect(err).toContain("the loss of 5 held-out examples is measured 4 times");
  const tokens = steps.reduce((sum, line) => sum + line.tokens, 0);
  expect(Math.abs(tokens / estimated.trained_tokens - 1)).toBeLessThan(0.1);
});

test("inspect --show reads no more rows than it shows", async () => {
  const lines = readFileSync(data, "utf8").split("\n").slice(0, 3);
  const file = write("shown.jsonl", `${lines.join("\n")}\nno JSON\n`);
  expect(await run("inspect", "--model", model, "--data", file, "--show", "3")).toBe(0);
  expect(out.match(/── example/g)).toHaveLength(3);
  expect(out).toContain("3 examples");
  expect(await run("inspect", "--model", model, "--data", file)).toBe(1);
  expect(err).toContain("line 4, column 1: it is not valid JSON");
});

test("groups come first among the tasks", async () => {
  expect(await run("tasks")).toBe(0);
  expect(out.indexOf("group ")).toBe(0);
  expect(out.indexOf("\ntask ")).toBeGreaterThan(0);
});

test("estimate says what to change when memory does not suffice", async () => {
  expect(await run("estimate", "--model", model, "--memory", "0.001", "--json")).toBe(0);
  expect(JSON.parse(out).advice).toMatch(
    /It needs .* at least, more than the 0\.0 GB there are: choose --method qlora/,
  );
});

test("tune, resume, merge and generate work together", async () => {
  const folder = join(scratch, "run");
  mkdirSync(folder);
  const code = await run(
    "tune",
    "--model",
    model,
    "--data",
    data,
    "--max-steps",
    "3",
    "--out",
    folder,
    "--json",
  );
  expect(code).toBe(0);
  const tuned = JSON.parse(out);
  expect(tuned).toMatchObject({ outcome: "finished", progress: { step: 3 } });
  expect(tuned.efficiency).toEqual(JSON.parse(readFileSync(join(folder, "efficiency.json"), "utf8")));
  clearOut();
  expect(await run("merge", folder, "--out", join(scratch, "merged"), "--json")).toBe(0);
  expect(JSON.parse(out).maxLogitDifference).toBeLessThanOrEqual(1e-4);
  const prompt = "Tom has 3 pens and buys 4 pens. How many pens has Tom?";
  clearOut();
  expect(
    await run("generate", "--model", model, "--adapter", join(folder, "adapter"), "--json", prompt),
  ).toBe(0);
  const adapted = JSON.parse(out).text;
  clearOut();
  expect(await run("generate", "--model", join(scratch, "merged"), "--json", prompt)).toBe(0);
  expect(JSON.parse(out).text).toBe(adapted);
});
