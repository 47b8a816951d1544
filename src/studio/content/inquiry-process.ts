/** @file The program of the process that answers what is asked of a run before it starts. */

import process from "node:process";
import { toFailure } from "../../core/failure.ts";
import { type EstimatedRun, estimate } from "../../node/training/estimate-run.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { Estimate, Preview } from "../api.ts";
import type { FromInquiry, Inquiry } from "./inquiry.ts";
import { previewExamples } from "./preview-examples.ts";

const warnings: string[] = [];
process.removeAllListeners("warning").on("warning", ({ message }) => warnings.push(message));
process.on("SIGINT", () => {}).on("disconnect", () => process.exit());

const send = (message: FromInquiry) =>
  new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));

async function answer(
  given: Omit<Preview, "warnings"> | Omit<Estimate, "warnings" | "command">,
): Promise<void> {
  // Warnings come in the event loop's next turn.
  await new Promise(setImmediate);
  await send({ type: "answer", answer: { ...given, warnings } });
}

process.once("message", async ({ kind, options }: Inquiry) => {
  try {
    if (kind === "preview") for await (const preview of previewExamples(options)) await answer(preview);
    else await answer(await estimateRun(options));
  } catch (error) {
    await send({ type: "failed", ...toFailure(error) });
  }
  process.disconnect();
});

async function estimateRun(options: Partial<RunOptions>): Promise<Omit<Estimate, "warnings" | "command">> {
  const { chosen, steps, memoryBytes, advice } = await estimate(options as EstimatedRun);
  return {
    memoryBytes: chosen.peakBytes,
    availableBytes: memoryBytes,
    seconds: chosen.seconds,
    ...(steps && { steps: steps.total }),
    tokensPerSecond: chosen.tokensPerSecond,
    trainableParameters: chosen.trainableParameters,
    fits: chosen.peakBytes <= memoryBytes,
    advice,
  };
}
