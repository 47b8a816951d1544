/** @file `slimtune tune` and `slimtune resume`: a tuning run, with its progress. */

import process from "node:process";
import { type Command, Option } from "commander";
import { stringify } from "yaml";
import { loraConfigSchema } from "../adapters/lora.ts";
import { renderReport } from "../data/inspect.ts";
import type { Efficiency } from "../efficiency/efficiency.ts";
import { InputError, isDiskFull } from "../errors.ts";
import { storages } from "../models/linear.ts";
import { deviceNames } from "../runtime/onnx-runtime.ts";
import { fineTune, type RunEvents, type RunPlan, type RunResult, resumeRun } from "../training/fine-tune.ts";
import { methodNames } from "../training/methods.ts";
import { parseRunConfig, type RunOptions } from "../training/run-config.ts";
import { schedulerTypes } from "../training/schedule.ts";
import { parseFields, parseList, parseNumber } from "./arguments.ts";
import { readConfigFile } from "./config-file.ts";
import { createStatusLine, formatBytes, formatDuration, note, print } from "./output.ts";

export function addTuneCommands(program: Command): void {
  program
    .command("tune")
    .description(
      "Tune a model on a file of examples; the result is an adapter in PEFT's layout or, with the methods freeze and full, a model.",
    )
    .option("--config <file>", "YAML file with any of the options; those given here come first")
    .option("--print-config", "print the complete configuration and stop")
    .option("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--revision <name>", "branch, tag or commit of a Hub model")
    .option("--base-model-name <id>", "the model's id on the Hub, named in what is handed on")
    .option(
      "--data <path or id>",
      "file of examples (JSONL, JSON, CSV, Parquet, text) or Hub id of a dataset",
    )
    .option("--data-split <name>", "split of a Hub dataset")
    .option("--fields <mapping>", "fields of a row, such as prompt=question,completion=answer", parseFields)
    .addOption(new Option("--train-on <what>", "tokens in the loss").choices(["completion", "all"]))
    .addOption(
      new Option("--overlong <what>", "examples beyond the context").choices(["error", "drop", "truncate"]),
    )
    .addOption(new Option("--method <name>", "tuning method (docs/methods.md)").choices(methodNames))
    .addOption(new Option("--storage <kind>", "how base weights are kept").choices(storages))
    .option(
      "--weights-on-disk",
      "read a quantized base from disk block by block, in place of keeping it in memory",
    )
    .option("--r <n>", "rank of the adapter", parseNumber)
    .option("--lora-alpha <n>", "scale of the adapter, over r", parseNumber)
    .option("--lora-dropout <share>", "share of the adapter's inputs dropped", parseNumber)
    .option("--target-modules <names>", "all-linear, or names such as q_proj,v_proj", parseTargets)
    .option("--use-rslora", "scale by alpha over the root of r")
    .option("--use-dora", "train the lengths of the weights' rows as well")
    .addOption(new Option("--init-lora-weights <kind>", "how the adapter begins").choices(["pissa"]))
    .option("--loraplus-lr-ratio <x>", "lora+: learning rate of B over that of A", parseNumber)
    .option("--freeze-trainable-layers <n>", "freeze: how many of the last blocks are trained", parseNumber)
    .option("--context <tokens>", "longest example", parseNumber)
    .option("--micro-batch-tokens <n>", "tokens computed at a time", parseNumber)
    .option("--no-packing", "one example a row, padded")
    .option("--no-apply-chat-template", "prompt and completion as they are, without the model's template")
    .option("--batch-size <n>", "examples per optimizer step", parseNumber)
    .option("--num-train-epochs <n>", "passes over the data", parseNumber)
    .option("--max-steps <n>", "optimizer steps, in place of epochs", parseNumber)
    .option("--learning-rate <x>", "highest learning rate", parseNumber)
    .addOption(
      new Option("--lr-scheduler-type <name>", "course of the learning rate").choices(schedulerTypes),
    )
    .option("--warmup-ratio <share>", "share of steps in which it rises", parseNumber)
    .option("--weight-decay <x>", "AdamW's decay of what is trained", parseNumber)
    .option(
      "--validation <share or n>",
      "examples held out for evaluation (default: 5 %, 100 at most)",
      parseNumber,
    )
    .option("--eval-steps <n>", "steps between evaluations", parseNumber)
    .option("--save-steps <n>", "steps between checkpoints", parseNumber)
    .option("--early-stopping-patience <n>", "evaluations without improvement before it stops", parseNumber)
    .option("--seed <n>", "seed of everything random", parseNumber)
    .addOption(new Option("--device <name>", "where to compute").choices(deviceNames))
    .option("--threads <n>", "threads for arithmetic", parseNumber)
    .option("--segment-size <auto or n>", "decoder blocks per program", (text) =>
      text === "auto" ? text : parseNumber(text),
    )
    .option("--out <folder>", "folder of the run")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune tune --model model.gguf --data gsm8k/train.jsonl --method qlora --out runs/math",
    )
    .action(async ({ config, printConfig, json, verbose: _, ...flags }, command: Command) => {
      // Commander's defaults for --no-… must not override the file.
      for (const name of ["packing", "applyChatTemplate"])
        if (command.getOptionValueSource(name) === "default") delete flags[name];
      const options = overrideOptions(config === undefined ? {} : readConfigFile(config), flags);
      const origin = config ?? "The command line";
      if (printConfig) {
        print(stringify(parseRunConfig({ model: "MODEL", data: "DATA", out: "OUT", ...options }, origin)));
        return;
      }
      parseRunConfig(options, origin);
      await showRun(json, (events) => fineTune(options as RunOptions, events));
    });

  program
    .command("resume")
    .description("Go on with an interrupted run; the result equals that of a run that was not.")
    .argument("<run>", "folder of the run")
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText("after", "\nExample:\n  slimtune resume runs/math")
    .action((run: string, { json }) => showRun(json, (events) => resumeRun(run, events)));
}

function parseTargets(text: string): string | string[] {
  if (text === "all-linear" || !/^[\w.,\s]+$/.test(text)) return text;
  return parseList(text);
}

/** A file's options with flags in their place: under the names of the configuration, those of LoRA in their own table. */
function overrideOptions(
  fromFile: Readonly<Record<string, unknown>>,
  flags: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const options: Record<string, unknown> = { ...fromFile };
  for (const [flag, value] of Object.entries(flags)) {
    const name = flag.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (Object.hasOwn(loraConfigSchema.shape, name))
      options.lora = { ...(options.lora as object), [name]: value };
    else options[name] = value;
  }
  return options;
}

/** Runs with a progress line; Ctrl-C ends the run after the current step, with a checkpoint. */
async function showRun(json: boolean, run: (events: RunEvents) => Promise<RunResult>): Promise<void> {
  const status = createStatusLine();
  const interrupt = new AbortController();
  const onSignal = () => {
    if (interrupt.signal.aborted) process.exit(130);
    status.done();
    note("Stopping after this step (press Ctrl-C again to stop at once; the last checkpoint is kept).");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

  const started = performance.now();
  let plan: RunPlan | undefined;
  let tokensPerSecond = 0;
  let peakBytes = 0;
  const evaluations: { step: number; eval_loss: number }[] = [];
  try {
    const result = await run({
      signal: interrupt.signal,
      onStage: (stage) => status.update(stage),
      onPlan(given) {
        plan = given;
        status.done();
        note(describePlan(given));
      },
      onStep(line, progress) {
        tokensPerSecond = progress.tokens / progress.seconds;
        peakBytes = line.peak_rss_bytes;
        const left = ((plan!.totalSteps - line.step) * progress.seconds) / line.step;
        status.update(
          `step ${line.step}/${plan!.totalSteps}  loss ${line.loss.toFixed(4)}  ${tokensPerSecond.toFixed(0)} tokens/s  ${formatDuration(left)} left  peak ${formatBytes(peakBytes)}`,
        );
      },
      onEvaluation({ step, eval_loss }) {
        evaluations.push({ step, eval_loss });
        status.done();
        note(`step ${step}: held-out loss ${eval_loss.toFixed(4)}`);
      },
    });
    status.done();
    const seconds = (performance.now() - started) / 1000;
    if (json) {
      const { outcome, folder, output, progress, efficiency } = result;
      print(
        `${JSON.stringify({ outcome, folder, output, progress, evaluations, tokens_per_second: tokensPerSecond, peak_rss_bytes: peakBytes, seconds, efficiency })}\n`,
      );
    } else {
      print(`${describeResult(result, evaluations, seconds)}\n`);
    }
    if (result.outcome === "interrupted") process.exitCode = 130;
  } catch (error) {
    // The plan is made once the run has its folder, whose checkpoints are whole at any time.
    if (!plan || !isDiskFull(error)) throw error;
    throw new InputError(
      `The disk is full; free some space and go on with \`slimtune resume ${plan.config.out}\`.`,
      { cause: error },
    );
  } finally {
    status.done();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function describePlan({
  config,
  dataset,
  heldOut,
  totalSteps,
  segmentSize,
  trainableParameters,
}: RunPlan): string {
  const lines = [
    renderReport(dataset),
    `${heldOut} examples are held out; ${totalSteps} steps of ${config.batch_size} examples`,
    `${config.method} trains ${trainableParameters.toLocaleString("en")} parameters; segments of ${segmentSize} blocks, base in ${config.storage}`,
  ];
  return lines.join("\n");
}

function describeResult(
  { outcome, folder, output, progress, efficiency }: RunResult,
  evaluations: readonly { step: number; eval_loss: number }[],
  seconds: number,
): string {
  if (outcome === "interrupted") {
    return `Stopped after step ${progress.step}; go on with \`slimtune resume ${folder}\`.`;
  }
  const before = evaluations.find(({ step }) => step === 0);
  const gain =
    before && progress.best
      ? `; held-out loss ${before.eval_loss.toFixed(4)} before, ${progress.best.eval_loss.toFixed(4)} after step ${progress.best.step}`
      : "";
  const stopped = outcome === "stopped early" ? ", stopped early" : "";
  return [
    `Tuned in ${formatDuration(seconds)} (${progress.step} steps${stopped})${gain}.`,
    ...(efficiency ? describeEfficiency(efficiency) : []),
    `The result is in ${output}.`,
  ].join("\n");
}

/** EfficientLLM's quantities, by the initials under which docs/efficiency.md explains them. */
function describeEfficiency(efficiency: Efficiency): string[] {
  const { averagePower, averageUtilization, averageLatency } = efficiency;
  const power = averagePower === null ? "not measurable here" : `${averagePower.toFixed(1)} W`;
  const perParameter = (value: number) => value.toExponential(2);
  return [
    `Memory (AMU) ${formatBytes(efficiency.averageMemoryBytes)} on average, ${formatBytes(efficiency.peakMemoryBytes)} at most; cores (PCU) ${(100 * averageUtilization).toFixed(0)} % busy; power (AEC) ${power}`,
    `Step (AL) ${averageLatency.toPrecision(3)} s; ${efficiency.tokensPerSecond.toFixed(0)} tokens/s, ${efficiency.samplesPerSecond.toPrecision(3)} examples/s`,
    `Per parameter and second: ${perParameter(efficiency.tokenThroughput)} tokens (TT), ${perParameter(efficiency.sampleThroughput)} examples (ST)`,
  ];
}
