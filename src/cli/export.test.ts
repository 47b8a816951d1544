import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import { openGgufFile } from "../node/formats/gguf.ts";
import { fineTune } from "../node/training/fine-tune.ts";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-export-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const tuned = join(scratch, "run");
const full = join(scratch, "full");

captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", ...words]);

beforeAll(async () => {
  const options = {
    model,
    data: writeFirstExamples(scratch, "math"),
    max_steps: 3,
    batch_size: 2,
    validation: 0,
  };
  await fineTune({ ...options, learning_rate: 0.02, out: tuned });
  await fineTune({ ...options, method: "full", out: full });
}, 60_000);

async function answer(...words: string[]): Promise<string> {
  clearOut();
  expect(
    await run("generate", "--json", ...words, "Tom has 3 pens and buys 4 pens. How many pens has Tom?"),
  ).toBe(0);
  return JSON.parse(out).text;
}

test("a run as GGUF writes what base and adapter write", async () => {
  const path = join(scratch, "model.gguf");
  expect(await run("export", tuned, "--format", "gguf", "--type", "f32", "--out", path, "--json")).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ out: path });
  const adapted = await answer("--model", model, "--adapter", join(tuned, "adapter"));
  expect(await answer("--model", path)).toBe(adapted);
  expect(await answer("--model", model)).not.toBe(adapted);
});

test("f16 is the default, and text tells the size and how near the predictions on the run's data are", async () => {
  const path = join(scratch, "small.gguf");
  expect(await run("export", tuned, "--format", "gguf", "--out", path)).toBe(0);
  expect(out).toMatch(
    /^Wrote .*small\.gguf \(.* MB\); it is equal to the tuned model: 100\.0 % of likeliest tokens equal on 512 tokens of your data, divergence .* nats\.$/m,
  );
  const file = await openGgufFile(path);
  expect(file.tensors.get("blk.0.ffn_up.weight")?.dtype).toBe("F16");
  file.close();
});

test("q4_k_m is as near as 4 bits are, and Ollama's file stands beside it", async () => {
  const path = join(scratch, "smallest.gguf");
  expect(await run("export", tuned, "--format", "gguf", "--type", "q4_k_m", "--out", path)).toBe(0);
  expect(out).toMatch(
    /it is close to the tuned model: 9\d\.\d % of likeliest tokens equal on 512 tokens of your data/,
  );
  expect(out).toContain(`ollama create smallest -f ${join(scratch, "smallest.Modelfile")}`);
  const file = await openGgufFile(path);
  expect(file.metadata.get("general.file_type")).toBe(15);
  file.close();
  expect(readFileSync(join(scratch, "smallest.Modelfile"), "utf8")).toContain("FROM ./smallest.gguf\n");
});

test("a run whose data are gone is checked on plain English", async () => {
  const config = join(tuned, "config.yaml");
  const before = readFileSync(config, "utf8");
  writeFileSync(config, before.replace("math-train.jsonl", "gone.jsonl"));
  const path = join(scratch, "gone.gguf");
  expect(await run("export", tuned, "--format", "gguf-lora", "--out", path)).toBe(0);
  writeFileSync(config, before);
  expect(out).toContain("on 512 tokens of plain English");
});

test("an adapter alone, from a run or from its folder, is the same GGUF file", async () => {
  const [ofRun, ofFolder] = [join(scratch, "a.gguf"), join(scratch, "b.gguf")];
  expect(await run("export", tuned, "--format", "gguf-lora", "--out", ofRun)).toBe(0);
  const adapter = join(tuned, "adapter");
  expect(await run("export", adapter, "--model", model, "--format", "gguf-lora", "--out", ofFolder)).toBe(0);
  expect(readFileSync(ofRun).equals(readFileSync(ofFolder))).toBe(true);
});

test("as safetensors it is what merge writes", async () => {
  const [exported, merged] = [join(scratch, "exported"), join(scratch, "merged")];
  expect(await run("export", tuned, "--format", "safetensors", "--out", exported)).toBe(0);
  expect(await run("merge", tuned, "--out", merged)).toBe(0);
  const weights = (folder: string) => readFileSync(join(folder, "model.safetensors"));
  expect(weights(exported).equals(weights(merged))).toBe(true);
});

test("a run that tuned the whole model is exported as it is", async () => {
  const path = join(scratch, "full.gguf");
  expect(await run("export", full, "--format", "gguf", "--type", "f32", "--out", path)).toBe(0);
  expect(await answer("--model", path)).toBe(await answer("--model", join(full, "model")));
});

const refused: Record<string, [words: string[], sentence: string]> = {
  "an adapter without its base": [
    [join(tuned, "adapter"), "--format", "gguf"],
    "is not the folder of a run; name an adapter's base model by --model.",
  ],
  "a type for another format": [
    [tuned, "--format", "gguf-lora", "--type", "f16"],
    "--type is for --format gguf only; gguf-lora is written in float32.",
  ],
  "an adapter of a run that has none": [[full, "--format", "gguf-lora"], "only --format gguf remains."],
  "a folder that is no adapter": [
    [scratch, "--model", model, "--format", "gguf"],
    "adapter_config.json, so this folder is not an adapter.",
  ],
};

test.each(Object.entries(refused))("%s ends with one sentence", async (_what, [words, sentence]) => {
  const path = join(scratch, "never.gguf");
  expect(await run("export", ...words, "--out", path)).toBe(1);
  expect(err).toMatch(/^slimtune: .*\.\n$/);
  expect(err).toContain(sentence);
  expect(existsSync(path)).toBe(false);
});
