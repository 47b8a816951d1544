import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import { writeFirstExamples } from "../data/first-examples.fixture.ts";
import { exportModel } from "../export/export-model.ts";
import { fineTune } from "./fine-tune.ts";
import { openRun } from "./open-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-open-run-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("a run is opened while it goes on, resumed from its folder, and says where its result is", async () => {
  const out = join(scratch, "run");
  const interrupt = new AbortController();
  const data = writeFirstExamples(scratch, "math");
  const options = { model: "fixtures/embedded-model", data, out, max_steps: 3, batch_size: 2, validation: 0 };
  await fineTune(options, {
    signal: interrupt.signal,
    onStep: ({ step }) => {
      if (step === 2) interrupt.abort();
    },
  });

  const begun = openRun(out);
  expect(begun.config).toMatchObject({ method: "lora", max_steps: 3 });
  expect(begun.metrics.map(({ step }) => step)).toEqual([1, 2]);
  expect(begun.result).toBeUndefined();

  const { outcome, output } = await begun.resume();
  expect(outcome).toBe("finished");
  const finished = openRun(out);
  expect(finished.metrics.map(({ step }) => step)).toEqual([1, 2, 3]);
  expect(finished.result).toBe(output);
});

test("what is no run, and a format that is none, are told in a sentence", async () => {
  expect(() => openRun(scratch)).toThrow("holds no config.yaml, so it is not the folder of a run.");
  const exported = exportModel(scratch, join(scratch, "x"), { format: "onnx" as "gguf" });
  await expect(exported).rejects.toThrow(
    new InputError('There is no format "onnx"; choose one of safetensors, gguf, gguf-lora, adapter.'),
  );
});
