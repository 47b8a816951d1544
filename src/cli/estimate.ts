/** @file `slimtune estimate`: the memory and time of a run before it starts. */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.ts";
import {
  assumedTokens,
  type EstimatedRun,
  estimate,
  type RunEstimate,
  type SegmentEstimate,
} from "../node/training/estimate-run.ts";
import { estimateWriter } from "../node/training/estimate-writer.ts";
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
    .option(
      "--write <n>",
      "the memory of so many texts of --context tokens (default: 512) written side by side instead, as by reason and search",
      parseWhole(1),
    )
    .addOption(new Option("--bits <n>", "with --write: weights for it in so many bits").choices(["4", "8"]))
    .option("--prm", "with --write: beside a reward model that scores what is written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExamples:\n  slimtune estimate --model model.gguf --data gsm8k/train.jsonl --method qlora\n  slimtune estimate --model model.gguf --data pairs.jsonl --objective dpo\n  slimtune estimate --model model.gguf --write 64 --prm",
    )
    .action(async ({ tokens, memory, write, bits, prm, json, verbose: _, ...flags }, command: Command) => {
      const { options, origin } = readRunOptions(flags, command);
      if (write === undefined && (bits !== undefined || prm))
        throw new InputError(`${prm ? "--prm" : "--bits"} belongs to --write, which is not given.`);
      if (write !== undefined) {
        const { model, storage, context, revision } = completeOptions(
          { data: "DATA", out: "OUT", ...options } as RunOptions,
          origin,
        );
        const writing = await estimateWriter({
          ...{ model, storage, batchSize: write, isScored: prm === true },
          ...(revision !== undefined && { revision }),
          ...(context !== undefined && { context }),
          ...(bits !== undefined && { bits: Number(bits) as 4 | 8 }),
        });
        print(json ? `${JSON.stringify(writing)}\n` : `${describeWriting(write, writing)}\n`);
        return;
      }
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

function describeWriting(
  texts: number,
  { length, ...of }: Awaited<ReturnType<typeof estimateWriter>>,
): string {
  return (
    `${texts} texts of ${length} tokens side by side: at most about ${formatBytes(of.peakBytes)} (weights ${formatBytes(of.weightBytes)}, ` +
    `keys and values ${formatBytes(of.cacheBytes)}, beginnings kept for others ${formatBytes(of.keptBytes)}, activations ${formatBytes(of.activationBytes)}).`
  );
}

function describe(estimate: SegmentEstimate): string {
  const { segmentSize, peakBytes, weightBytes, trainingBytes, activationBytes } = estimate;
  return (
    `--segment-size ${segmentSize}: about ${formatBytes(peakBytes)} (weights ${formatBytes(weightBytes)}, trained tensors ${formatBytes(trainingBytes)}, activations ${formatBytes(activationBytes)}), ` +
    `${estimate.tokensPerSecond.toFixed(0)} tokens/s, ${formatDuration(estimate.seconds)}`
  );
}
