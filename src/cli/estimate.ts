/** @file `slimtune estimate`: the memory and time of a run before it starts. */

import type { Command } from "commander";
import {
  assumedTokens,
  type EstimatedRun,
  estimate,
  type RunEstimate,
  type SegmentEstimate,
} from "../node/training/estimate-run.ts";
import { completeOptions } from "../node/training/initial-adapter.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { parsePositive, parseWhole } from "./arguments.ts";
import { formatBytes, formatDuration, print } from "./output.ts";
import { addRunOptions, readRunOptions } from "./run-options.ts";

export function addEstimateCommand(program: Command): void {
  const command = program
    .command("estimate")
    .description(
      "Estimate the memory and time of a run before it starts, and what to change if it does not fit. It takes the options of tune; with --data it counts the steps and the evaluations.",
    );
  addRunOptions(command)
    .option("--tokens <n>", `tokens to train on, without data (default: ${assumedTokens})`, parseWhole(1))
    .option("--memory <GB>", "memory to stay within (default: most of what is free)", parsePositive)
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExamples:\n  slimtune estimate --model model.gguf --data gsm8k/train.jsonl --method qlora\n  slimtune estimate --model model.gguf --data pairs.jsonl --objective dpo",
    )
    .action(async ({ tokens, memory, json, verbose: _, ...flags }, command: Command) => {
      const { options, origin } = readRunOptions(flags, command);
      completeOptions({ data: "DATA", out: "OUT", ...options } as RunOptions, origin);
      const estimated = await estimate(options as EstimatedRun, {
        tokens,
        memoryBytes: memory && memory * 1e9,
      });
      print(json ? `${JSON.stringify(toPlain(estimated))}\n` : `${toText(estimated)}\n`);
    });
}

function toPlain({ chosen, steps, ...estimated }: RunEstimate) {
  return {
    flops_per_second: estimated.flopsPerSecond,
    limit_bytes: estimated.memoryBytes,
    segment_size: chosen.segmentSize,
    longest_example: estimated.longestExample,
    trained_tokens: estimated.trainedTokens,
    ...(steps && {
      steps: steps.total,
      held_out: steps.heldOut,
      evaluations: steps.evaluations,
      evaluated_tokens: steps.evaluatedTokens,
    }),
    estimates: estimated.estimates,
    advice: estimated.advice,
  };
}

function toText({ config, chosen, steps, ...estimated }: RunEstimate): string {
  const count = (value: number) => value.toLocaleString("en");
  const work = `${count(estimated.trainedTokens)} tokens`;
  return [
    `${count(chosen.totalParameters)} parameters, of which ${config.method} trains ${count(chosen.trainableParameters)}; base in ${config.storage}, examples of ${estimated.longestExample} tokens at most.`,
    ...(steps
      ? [
          `${count(steps.total)} steps of ${config.batch_size} examples read ${work}; ${steps.evaluations} evaluations of ${steps.heldOut} held-out examples ${count(steps.evaluatedTokens)}.`,
        ]
      : []),
    `Matrix products run at ${(estimated.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s here (measured now).`,
    "",
    ...estimated.estimates.map((one) => `${describe(one)} for ${steps ? "all of it" : work}`),
    "",
    estimated.advice,
    ...(steps ? [] : ["Give --data to count its steps and evaluations."]),
  ].join("\n");
}

function describe(estimate: SegmentEstimate): string {
  const { segmentSize, peakBytes, weightBytes, trainingBytes, activationBytes } = estimate;
  return (
    `--segment-size ${segmentSize}: about ${formatBytes(peakBytes)} (weights ${formatBytes(weightBytes)}, trained tensors ${formatBytes(trainingBytes)}, activations ${formatBytes(activationBytes)}), ` +
    `${estimate.tokensPerSecond.toFixed(0)} tokens/s, ${formatDuration(estimate.seconds)}`
  );
}
