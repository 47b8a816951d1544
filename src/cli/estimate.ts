/** @file `slimtune estimate`: the memory and time of a run before it starts. */

import { freemem } from "node:os";
import { type Command, Option } from "commander";
import { measureProductRate } from "../engine/product-rate.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { resolveModel } from "../models/hub-model.ts";
import { storages } from "../models/linear.ts";
import { chooseTableDtype } from "../models/load-weights.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { adviseMemory, estimateStep, expectedEfficiency, type StepEstimate } from "../training/estimate.ts";
import { chooseContext } from "../training/fine-tune.ts";
import { createAdaptation, methodNames } from "../training/methods.ts";
import { parseRunConfig } from "../training/run-config.ts";
import { parsePositive, parseWhole } from "./arguments.ts";
import { formatBytes, formatDuration, print } from "./output.ts";

export function addEstimateCommand(program: Command): void {
  program
    .command("estimate")
    .description(
      "Estimate the memory and time of a run before it starts, and what to change if it does not fit.",
    )
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .addOption(new Option("--method <name>", "tuning method").choices(methodNames).default("lora"))
    .addOption(new Option("--storage <kind>", "how base weights are kept").choices(storages))
    .option("--weights-on-disk", "read a quantized base from disk block by block")
    .option("--context <tokens>", "longest sequence", parseWhole(8), 512)
    .option("--r <n>", "rank of the adapter (default: 16)", parseWhole(1))
    .option("--freeze-trainable-layers <n>", "blocks that freeze trains (default: 2)", parseWhole(1))
    .option("--tokens <n>", "tokens to train on, for the time", parseWhole(1), 100_000)
    .option("--memory <GB>", "memory to stay within (default: what is free)", parsePositive)
    .option("--threads <n>", "threads for arithmetic", parseWhole(1))
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune estimate --model model.gguf --method qlora --context 1024")
    .action(async (options) => {
      const run = parseRunConfig(
        {
          model: options.model,
          data: "DATA",
          out: "OUT",
          method: options.method,
          storage: options.storage,
          weights_on_disk: options.weightsOnDisk,
          lora: options.r === undefined ? undefined : { r: options.r },
          freeze_trainable_layers: options.freezeTrainableLayers,
        },
        "The command line",
      );
      const { method, storage, weights_on_disk: weightsOnDisk } = run;
      const checkpoint = openCheckpoint(await resolveModel(options.model));
      const { config } = checkpoint;
      chooseContext(options.context, options.model, config);
      const base = { config, storage, tableDtype: chooseTableDtype(checkpoint, storage), weightsOnDisk };
      checkpoint.close();
      const adaptation = createAdaptation(run, config);
      // Every token labelled: the most that the output layer can cost.
      const shape = { rows: 1, length: options.context, labels: options.context };
      const estimates = (weightsOnDisk ? [1] : [1, config.numHiddenLayers]).map((size) =>
        estimateStep(base, adaptation, shape, size),
      );
      const limit = options.memory === undefined ? freemem() : options.memory * 1e9;
      const device = openDevice("cpu", options.threads === undefined ? {} : { threads: options.threads });
      const rate = await measureProductRate(device);
      const withSpeed = estimates.map((estimate) => {
        const tokensPerSecond = (expectedEfficiency * rate * options.context) / estimate.flops;
        return { ...estimate, tokensPerSecond, seconds: options.tokens / tokensPerSecond };
      });
      const advice = adviseMemory(base, estimates, method, limit);
      if (options.json) {
        print(
          `${JSON.stringify({ flops_per_second: rate, limit_bytes: limit, estimates: withSpeed, advice })}\n`,
        );
        return;
      }
      const first = withSpeed[0]!;
      print(
        `${first.totalParameters.toLocaleString("en")} parameters, of which ${method} trains ${first.trainableParameters.toLocaleString("en")}; base in ${storage}, context ${options.context}.\n` +
          `Matrix products run at ${(rate / 1e9).toFixed(0)} GFLOP/s here (measured now).\n\n`,
      );
      for (const estimate of withSpeed) print(`${describe(estimate, options.tokens)}\n`);
      print(`\n${advice}\n`);
    });
}

function describe(
  estimate: StepEstimate & { tokensPerSecond: number; seconds: number },
  tokens: number,
): string {
  const { segmentSize, peakBytes, weightBytes, trainingBytes, activationBytes } = estimate;
  return (
    `--segment-size ${segmentSize}: about ${formatBytes(peakBytes)} (weights ${formatBytes(weightBytes)}, trained tensors ${formatBytes(trainingBytes)}, activations ${formatBytes(activationBytes)}), ` +
    `${estimate.tokensPerSecond.toFixed(0)} tokens/s, ${formatDuration(estimate.seconds)} for ${tokens.toLocaleString("en")} tokens`
  );
}
