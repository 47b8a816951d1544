/** @file `slimtune estimate`: the memory and time of a run before it starts. */

import type { Command } from "commander";
import { createAdaptation } from "../core/adapters/methods.ts";
import { measureProductRate } from "../core/engine/product-rate.ts";
import { chooseTableDtype } from "../core/models/load-weights.ts";
import {
  adviseMemory,
  estimateStep,
  expectedEfficiency,
  findLargestShape,
  findUsableMemory,
  type StepEstimate,
} from "../core/training/estimate.ts";
import { planSteps } from "../core/training/step-plan.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { resolveModel } from "../node/models/hub-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { chooseContext, nameTokens, pickSegmentSize, readExamples } from "../node/training/fine-tune.ts";
import { completeOptions } from "../node/training/initial-adapter.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { parsePositive, parseWhole } from "./arguments.ts";
import { formatBytes, formatDuration, print } from "./output.ts";
import { addRunOptions, readRunOptions } from "./run-options.ts";

/** Without data: the longest example, unless `--context` says otherwise, and the tokens that are trained on. */
const assumedLength = 512;
const assumedTokens = 100_000;

export function addEstimateCommand(program: Command): void {
  const estimate = program
    .command("estimate")
    .description(
      "Estimate the memory and time of a run before it starts, and what to change if it does not fit. It takes the options of tune; with --data it counts the steps and the evaluations.",
    );
  addRunOptions(estimate)
    .option("--tokens <n>", `tokens to train on, without data (default: ${assumedTokens})`, parseWhole(1))
    .option("--memory <GB>", "memory to stay within (default: most of what is free)", parsePositive)
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune estimate --model model.gguf --data gsm8k/train.jsonl --method qlora",
    )
    .action(async ({ tokens = assumedTokens, memory, json, verbose: _, ...flags }, command: Command) => {
      const { options, origin } = readRunOptions(flags, command);
      const { data } = options;
      const run = completeOptions({ data: "DATA", out: "OUT", ...options } as RunOptions, origin);
      const checkpoint = openCheckpoint(await resolveModel(run.model, { revision: run.revision }));
      const named = nameTokens(run, checkpoint);
      const vocabSize = named.extension?.vocabSize ?? checkpoint.config.vocabSize;
      const config = { ...checkpoint.config, vocabSize };
      const adaptation = createAdaptation(named.config, config);
      const context = chooseContext(run.context, run.model, config);
      const dataset =
        data && (await readExamples(run, await resolveDataset(data, run.data_split), checkpoint));
      const longest = dataset ? dataset.report.longest : Math.min(run.context ?? assumedLength, context);
      const limit = memory === undefined ? findUsableMemory() : memory * 1e9;
      const chosen = pickSegmentSize(run, checkpoint, adaptation, longest, limit);
      const { method, storage, weights_on_disk: weightsOnDisk } = run;
      const base = { config, storage, tableDtype: chooseTableDtype(checkpoint, storage), weightsOnDisk };
      checkpoint.close();

      const shape = findLargestShape(run.micro_batch_tokens, longest);
      const sizes = new Set(weightsOnDisk ? [1] : [1, chosen, config.numHiddenLayers]);
      const estimates = [...sizes].map((size) => estimateStep(base, adaptation, shape, size));
      const steps =
        dataset &&
        planSteps(
          run,
          dataset.examples.map(({ ids }) => ids.length),
        );
      const evaluatedTokens = steps ? steps.evaluations * steps.heldOutTokens : 0;
      const trainedTokens = steps ? steps.trainedTokens : tokens;
      const device = openDevice("cpu", run.threads === undefined ? {} : { threads: run.threads });
      const rate = await measureProductRate(device, 3);
      const withSpeed = estimates.map((one) => {
        const secondsOf = (flops: number) => flops / shape.length / (expectedEfficiency * rate);
        return {
          ...one,
          tokensPerSecond: 1 / secondsOf(one.flops),
          seconds: trainedTokens * secondsOf(one.flops) + evaluatedTokens * secondsOf(one.evaluationFlops),
        };
      });
      const taken = withSpeed.find(({ segmentSize }) => segmentSize === chosen)!;
      const advice = adviseMemory(base, taken, method, limit);
      if (json) {
        const result = {
          flops_per_second: rate,
          limit_bytes: limit,
          segment_size: chosen,
          longest_example: longest,
          trained_tokens: trainedTokens,
          ...(steps && {
            steps: steps.totalSteps,
            held_out: steps.heldOut.length,
            evaluations: steps.evaluations,
            evaluated_tokens: evaluatedTokens,
          }),
          estimates: withSpeed,
          advice,
        };
        print(`${JSON.stringify(result)}\n`);
        return;
      }
      const count = (value: number) => value.toLocaleString("en");
      const work = `${count(trainedTokens)} tokens`;
      const lines = [
        `${count(taken.totalParameters)} parameters, of which ${method} trains ${count(taken.trainableParameters)}; base in ${storage}, examples of ${longest} tokens at most.`,
        ...(steps
          ? [
              `${count(steps.totalSteps)} steps of ${run.batch_size} examples read ${work}; ${steps.evaluations} evaluations of ${steps.heldOut.length} held-out examples ${count(evaluatedTokens)}.`,
            ]
          : []),
        `Matrix products run at ${(rate / 1e9).toFixed(0)} GFLOP/s here (measured now).`,
        "",
        ...withSpeed.map((one) => `${describe(one)} for ${steps ? "all of it" : work}`),
        "",
        advice,
        ...(data ? [] : ["Give --data to count its steps and evaluations."]),
      ];
      print(`${lines.join("\n")}\n`);
    });
}

function describe(estimate: StepEstimate & { tokensPerSecond: number; seconds: number }): string {
  const { segmentSize, peakBytes, weightBytes, trainingBytes, activationBytes } = estimate;
  return (
    `--segment-size ${segmentSize}: about ${formatBytes(peakBytes)} (weights ${formatBytes(weightBytes)}, trained tensors ${formatBytes(trainingBytes)}, activations ${formatBytes(activationBytes)}), ` +
    `${estimate.tokensPerSecond.toFixed(0)} tokens/s, ${formatDuration(estimate.seconds)}`
  );
}
