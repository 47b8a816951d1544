import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { main } from "../../cli/main.ts";
import type { EvaluationMetrics } from "../../core/training/loop.ts";
import { writeFirstExamples } from "../data/first-examples.fixture.ts";
import { fineTune } from "./fine-tune.ts";
import { readMetrics } from "./metrics-log.ts";
import { runFolder } from "./run-folder.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-card-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A bar ends a cell of a table, and a backtick code. */
const data = join(scratch, "pens | `words`.jsonl");
cpSync(writeFirstExamples(scratch, "math"), data);
const model = "fixtures/embedded-model";

function readCard(folder: string): { metadata: unknown; text: string } {
  const content = readFileSync(join(folder, "README.md"), "utf8");
  const [, metadata, text] = /^---\n(.*?)\n---\n(.*)$/s.exec(content)!;
  return { metadata: parse(metadata!), text: text! };
}

const readConfig = (folder: string) => JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));

test("an adapter's card says what it was made of and what was measured, without a path of this machine", async () => {
  const out = join(scratch, "adapter");
  await fineTune({ model, data, out, max_steps: 2, validation: 4, eval_steps: 1, base_model_name: "a/tiny" });
  const { metadata, text } = readCard(join(out, "adapter"));
  expect(metadata).toEqual({
    base_model: "a/tiny",
    library_name: "peft",
    pipeline_tag: "text-generation",
    tags: ["slimtune", "lora"],
  });
  expect(readConfig(join(out, "adapter")).base_model_name_or_path).toBe("a/tiny");
  const losses = readMetrics(runFolder(out).metrics).filter(
    (line): line is EvaluationMetrics => "eval_loss" in line,
  );
  const least = Math.min(...losses.slice(1).map(({ eval_loss }) => eval_loss));
  expect(text).toContain(
    `| held-out loss | ${losses[0]!.eval_loss.toFixed(3)} before, ${least.toFixed(3)} after`,
  );
  expect(text).toContain("| data | pens \\| \\`words\\`.jsonl (SHA-256 ");
  expect(text).toContain("2 steps of 8 examples");
  expect(text).not.toContain(scratch);

  const merged = join(scratch, "merged");
  expect(await main(["node", "slimtune", "merge", out, "--out", merged])).toBe(0);
  const ofMerged = readCard(merged);
  expect(ofMerged.metadata).not.toHaveProperty("library_name");
  expect(ofMerged.text).toContain("A model made from a/tiny");
  expect(readdirSync(merged)).toContain("model.safetensors");
});

test("where no id of the base model is known, the card names its folder alone", async () => {
  const out = join(scratch, "local");
  await fineTune({ model, data, out, max_steps: 1, validation: 0 });
  const { metadata, text } = readCard(join(out, "adapter"));
  expect(metadata).not.toHaveProperty("base_model");
  expect(text).toContain("| base model | embedded-model |");
  expect(text).toContain("| loss of the last step |");
  expect(readConfig(join(out, "adapter")).base_model_name_or_path).toBe(model);
});

test("a name that is no id is refused", async () => {
  const run = fineTune({ model, data, out: join(scratch, "bad"), base_model_name: "/home/anna/model" });
  await expect(run).rejects.toThrow('the option "base_model_name" is bad: give an id such as user/name');
});
