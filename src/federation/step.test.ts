import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tuneStep, writeBeginning } from "./step.ts";

const folder = mkdtempSync(join(tmpdir(), "slimtune-step-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const tuningOf = (r: number) => ({ max_steps: 2, batch_size: 2, lora: { r } });
const own = { model: "fixtures/embedded-model", data: at("rows.jsonl"), threads: 1 };
const rows = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n").slice(0, 6);
writeFileSync(own.data, rows.join("\n"));

test("a step begins with a file as with what the seed draws, goes on after a stop, and leaves its tensors alone", async () => {
  const tuning = tuningOf(4);
  await writeBeginning({ tuning, own, out: at("initial") });
  const { examples, figures } = await tuneStep({
    ...{ tuning, own, round: 1, begins: at("initial"), out: at("next") },
  });
  expect(examples).toBe(6);
  expect(figures.loss).toBeGreaterThan(0);
  expect(readFileSync(at("next")).equals(readFileSync(at("initial")))).toBe(false);

  const stop = new AbortController();
  const again = { tuning, own, round: 1, out: at("again") };
  const stopped = tuneStep(again, { signal: stop.signal, onStep: () => stop.abort() });
  await expect(stopped).rejects.toThrow("was stopped; give the same command again");
  expect((await tuneStep(again)).figures).toMatchObject({ loss: figures.loss, tokens: figures.tokens });
  expect(readFileSync(at("again")).equals(readFileSync(at("next")))).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(["again", "initial", "next", "rows.jsonl"]);
});

test("a beginning of another adapter is refused with its tensor", async () => {
  await writeBeginning({ tuning: tuningOf(2), own, out: at("other") });
  const step = (begins: string) =>
    tuneStep({ tuning: tuningOf(4), own, round: 1, begins: at(begins), out: at("none") });
  await expect(step("other")).rejects.toThrow(
    /holds no tensor "model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight" of the shape \[4, 128\]/,
  );
  await expect(step("rows.jsonl")).rejects.toThrow(/rows\.jsonl announces a header of/);
});
