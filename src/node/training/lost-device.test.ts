import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { DeviceError } from "../../core/errors.ts";
import { writeFirstExamples } from "../data/first-examples.fixture.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune } from "./fine-tune.ts";
import { openRun } from "./open-run.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-lost-device-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const data = writeFirstExamples(scratch, "math");
const options = {
  model: "fixtures/embedded-model",
  data,
  max_steps: 6,
  save_steps: 2,
  batch_size: 2,
  validation: 0,
  threads: 1,
};

/** A WebGPU device whose sessions run on the CPU, until it fails with what ONNX Runtime says then. */
function pretendDevice() {
  const create = ort.InferenceSession.create as (
    model: Uint8Array,
    options: ort.InferenceSession.SessionOptions,
  ) => Promise<ort.InferenceSession>;
  let failure: string | undefined;
  let mostBytes = Number.POSITIVE_INFINITY;
  const spy = vi.spyOn(ort.InferenceSession, "create");
  spy.mockImplementation(async (...[model, given]: unknown[]) => {
    const { preferredOutputLocation: _, ...others } = given as ort.InferenceSession.SessionOptions;
    const session = await create(model as Uint8Array, { ...others, executionProviders: ["cpu"] });
    const run = session.run.bind(session);
    session.run = (async (feeds: ort.InferenceSession.OnnxValueMapType) => {
      if (failure !== undefined) throw new Error(failure);
      const { length } = feeds;
      if (length && 4 * Number(length.data[0]) > mostBytes) throw new Error("Allocation size too large");
      return run(feeds);
    }) as typeof session.run;
    return session;
  });
  onTestFinished(() => spy.mockRestore());
  return {
    fail: (message: string) => {
      failure = message;
    },
    giveAtMost: (bytes: number) => {
      mostBytes = bytes;
    },
  };
}

test("a device that is lost in a step leaves the last checkpoint, from which the CPU goes on", async () => {
  const whole = await fineTune({ ...options, out: join(scratch, "whole") });
  const out = join(scratch, "lost");
  const device = pretendDevice();
  const tuning = fineTune(
    { ...options, device: "webgpu", out },
    {
      onStep({ step }) {
        // In the step that follows.
        if (step === 5) device.fail("WebGPU device lost (1): the driver was reset");
      },
    },
  );
  await expect(tuning).rejects.toThrow(
    new DeviceError(
      `The graphics card was lost as it computed (WebGPU device lost (1): the driver was reset); its driver was reset, or another program took it. The checkpoint of step 4 is kept; go on with \`slimtune resume ${out}\`, or on the CPU with \`slimtune resume ${out} --device cpu\`.`,
    ),
  );
  vi.restoreAllMocks();

  const { progress } = await openRun(out).resume({}, { device: "cpu" });
  expect(progress.trained_tokens).toBe(whole.progress.trained_tokens);
  const [resumed, expected] = [out, join(scratch, "whole")].map((folder) => openRun(folder).metrics);
  expect(resumed!.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  for (const [i, line] of resumed!.entries()) {
    const other = expected![i]!;
    if (!("loss" in line && "loss" in other)) throw new Error("Only steps are expected.");
    expect(line.tokens).toBe(other.tokens);
    expect(Math.abs(line.loss / other.loss - 1)).toBeLessThan(1e-4);
  }
});

test.each([
  [
    "WebGPU validation failed. Buffer size (1153433600) exceeds the max buffer size limit (1073741824).",
    "A tensor takes 1153433600 bytes, and the graphics card's driver gives 1073741824 in one piece at most",
  ],
  [
    "WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.",
    "The graphics card has no memory left",
  ],
])("%s", async (message, sentence) => {
  const device = pretendDevice();
  const out = join(scratch, `run ${sentence.length}`);
  const tuning = fineTune({ ...options, device: "webgpu", out }, { onStep: () => device.fail(message) });
  await expect(tuning).rejects.toThrow(sentence);
  await expect(tuning).rejects.toThrow("No step is kept; go on with");
});

test("how much the device gives in one piece is found by asking for it", async () => {
  pretendDevice().giveAtMost(600e6);
  const { tensorLimit } = openDevice("webgpu");
  expect(await tensorLimit!(500e6)).toBe(500e6);
  expect(await tensorLimit!(700e6)).toBe(2 ** 29);
});
