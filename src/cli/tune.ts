/** @file `slimtune tune` and `slimtune resume`: a tuning run, with its progress. */

import process, { stderr, stdout } from "node:process";
import { type Command, Option } from "commander";
import { stringify } from "yaml";
import { methodOf } from "../core/adapters/methods.ts";
import { InputError } from "../core/errors.ts";
import { completeOptions as completeObjective, objectiveOf } from "../core/objectives/objectives.ts";
import { createPaint, type Paint, wantsColour } from "../node/colours.ts";
import { renderReport } from "../node/data/inspect.ts";
import type { Efficiency } from "../node/efficiency/efficiency.ts";
import { isDiskFull } from "../node/files/explain-error.ts";
import { deviceNames } from "../node/runtime/onnx-runtime.ts";
import { fineTune, type RunResult } from "../node/training/fine-tune.ts";
import { completeOptions } from "../node/training/initial-adapter.ts";
import type { RunStepMetrics } from "../node/training/metrics-log.ts";
import { openRun } from "../node/training/open-run.ts";
import { optionHelp } from "../node/training/option-help.ts";
import type { RunConfig, RunOptions } from "../node/training/run-config.ts";
import type { RunEvents, RunPlan } from "../node/training/run-events.ts";
import type { RunSample } from "../node/training/samples.ts";
import { type NextStep, renderNextSteps } from "./next-steps.ts";
import { createStatusLine, formatBytes, formatDuration, note, print } from "./output.ts";
import { addRunOptions, readRunOptions } from "./run-options.ts";

export function addTuneCommands(program: Command): void {
  addTuning(
    program
      .command("tune")
      .description(
        "Tune a model on a file of examples; the result is an adapter in PEFT's layout or, with the methods freeze and full, a model.",
      ),
  ).addHelpText(
    "after",
    "\nExamples:\n  slimtune tune --model model.gguf --data gsm8k/train.jsonl --method qlora --out runs/math\n  slimtune tune --model model.gguf --data pairs.jsonl --objective dpo --out runs/preferred\n  slimtune tune --model model.gguf --data gsm8k:train --objective grpo --reward correct,length:0.1 --out runs/rl",
  );

  program
    .command("resume")
    .description("Go on with an interrupted run; the result equals that of a run that was not.")
    .argument("<run>", "folder of the run")
    .addOption(
      new Option("--device <name>", "where to compute (default: where the run did)").choices(deviceNames),
    )
    .option("--json", "print one JSON object at the end instead of text")
    .addHelpText("after", "\nExample:\n  slimtune resume runs/math")
    .action(async (folder: string, { json, device }) => {
      const run = openRun(folder);
      const { config, result } = run;
      if (result === undefined) {
        await showRun(json, (events) => run.resume(events, device && { device }));
        return;
      }
      await run.removeLeftovers();
      if (json) print(`${JSON.stringify({ outcome: "finished", folder, output: result })}\n`);
      else {
        const next = renderNextSteps(listNextSteps(folder, result, config), createPaint(stdout));
        print(`The run in ${folder} is finished; its result is in ${result}.\n${next}\n`, {
          coloured: wantsColour(stdout),
        });
      }
    });
}

/** Makes a command that tunes. @param fixed options that have one value only */
export function addTuning(command: Command, fixed: Partial<RunOptions> = {}): Command {
  command.option("--print-config", "print the complete configuration and stop");
  return addRunOptions(command)
    .option("--out <folder>", optionHelp.out)
    .option("--json", "print one JSON object at the end instead of text")
    .action(async ({ printConfig, json, verbose: _, ...flags }) => {
      const { options: given, origin } = readRunOptions(flags, command);
      const other = Object.entries(fixed).find(
        ([name, value]) => (given[name as keyof RunOptions] ?? value) !== value,
      );
      if (other) {
        const [name, value] = other;
        throw new InputError(
          `${origin}: "${name}" is ${given[name as keyof RunOptions]}, but this command tunes with ${value}; leave it out, or use \`slimtune tune\`.`,
        );
      }
      const options = { ...given, ...fixed };
      if (printConfig) {
        const shown = { model: "MODEL", data: "DATA", out: "OUT", ...options };
        print(stringify(completeOptions(shown, origin)));
        return;
      }
      completeOptions(options as RunOptions, origin);
      await showRun(json, (events) => fineTune(options as RunOptions, events));
    });
}

/** Runs with a progress line; Ctrl-C ends the run at once, with a checkpoint of its last whole step. */
async function showRun(json: boolean, run: (events: RunEvents) => Promise<RunResult>): Promise<void> {
  const status = createStatusLine();
  const paint = createPaint(stderr);
  const interrupt = new AbortController();
  let plan: RunPlan | undefined;
  const onSignal = () => {
    status.done();
    if (!plan) {
      note("Stopped before the first step.");
      process.exit(130);
    }
    if (interrupt.signal.aborted) process.exit(130);
    note("Stopping (press Ctrl-C again to end without saving the last steps).");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

  const started = performance.now();
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
      onStep(line, progress, secondsLeft) {
        tokensPerSecond = progress.tokens / progress.seconds;
        peakBytes = line.peak_rss_bytes;
        status.update(
          `step ${line.step}/${plan!.totalSteps}  ${describeProgress(line)}  ${tokensPerSecond.toFixed(0)} tokens/s  ${formatDuration(secondsLeft)} left  peak ${formatBytes(peakBytes)}`,
        );
      },
      onEvaluation({ step, eval_loss }) {
        const best = Math.min(...evaluations.map((evaluation) => evaluation.eval_loss));
        evaluations.push({ step, eval_loss });
        status.done();
        const shown = eval_loss.toFixed(4);
        note(
          `step ${step}: held-out loss ${step === 0 ? shown : paintChange(shown, eval_loss - best, paint)}`,
        );
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
      print(`${describeResult(result, plan!, evaluations, seconds)}\n`, { coloured: wantsColour(stdout) });
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

/** The reward, where that is what should rise; else the loss. */
function describeProgress({ loss, metrics }: RunStepMetrics): string {
  const reward = metrics?.reward;
  return reward === undefined ? `loss ${loss.toFixed(4)}` : `reward ${reward.toFixed(3)}`;
}

/** A loss in green where it fell, in red where it rose. */
function paintChange(text: string, change: number, paint: Paint): string {
  return change === 0 ? text : paint(change < 0 ? "good" : "bad", text);
}

function describePlan({
  config,
  dataset,
  heldOut,
  totalSteps,
  evaluations,
  segmentSize,
  trainableParameters,
  tokens,
}: RunPlan): string {
  const measured =
    heldOut > 0
      ? `the loss of ${heldOut} held-out ${heldOut === 1 ? "example" : "examples"} is measured ${evaluations} times`
      : config.validation === undefined && dataset.learnsFrom !== "prompts"
        ? "too few for a held-out loss (--validation 0.2 holds a fifth of the examples out)"
        : "no held-out loss is measured";
  const lines = [
    renderReport(dataset),
    `${totalSteps} steps of ${config.batch_size} ${dataset.learnsFrom === "prompts" ? `prompts, ${config.num_generations} answers each` : "examples"}; ${measured}`,
    ...describeObjective(config),
    `${config.method} trains ${trainableParameters.toLocaleString("en")} parameters; segments of ${segmentSize} blocks, base in ${config.storage}`,
    ...describeTokens(tokens),
    ...(config.adapter === undefined ? [] : [`It goes on with the adapter ${config.adapter}`]),
  ];
  return lines.join("\n");
}

function describeObjective(config: RunConfig): string[] {
  const { objective, keep, keep_text } = config;
  const kept = keep_text === undefined ? "on the prompts of the data" : `on ${keep_text}`;
  return [
    ...(objective === "sft"
      ? []
      : [`Objective: ${objectiveOf(objective).describe(completeObjective(objective, config))}`]),
    ...(keep === 0 ? [] : [`It is kept near its beginning ${kept}, with weight ${keep}`]),
  ];
}

/** Which of the tokens that are trained are new. */
function describeTokens(tokens: RunPlan["tokens"]): string[] {
  const list = (names: readonly string[]) => names.join(", ");
  return [
    ...(tokens?.added.length ? [`New tokens: ${list(tokens.added)}`] : []),
    ...(tokens?.existing.length ? [`Tokens that the tokenizer has already: ${list(tokens.existing)}`] : []),
  ];
}

function describeResult(
  { outcome, folder, output, progress, efficiency }: RunResult,
  { config }: RunPlan,
  evaluations: readonly { step: number; eval_loss: number }[],
  seconds: number,
): string {
  const paint = createPaint(stdout);
  if (outcome === "interrupted") {
    return `Stopped after step ${progress.step}; go on with \`slimtune resume ${folder}\`.`;
  }
  const before = evaluations.find(({ step }) => step === 0);
  const { best } = progress;
  const gain =
    before && best
      ? `; held-out loss ${before.eval_loss.toFixed(4)} before, ${paintChange(best.eval_loss.toFixed(4), best.eval_loss - before.eval_loss, paint)} after step ${best.step}`
      : "";
  const stopped = outcome === "stopped early" ? ", stopped early" : "";
  return [
    `${paint("heading", `Tuned in ${formatDuration(seconds)}`)} (${progress.step} steps${stopped})${gain}.`,
    ...(efficiency ? describeEfficiency(efficiency) : []),
    ...describeSamples(openRun(folder).samples, best?.step ?? progress.step),
    `The result is in ${output}.`,
    renderNextSteps(listNextSteps(folder, output!, config), paint),
  ].join("\n");
}

/** What to do with a run's result. */
function listNextSteps(
  folder: string,
  output: string,
  { model, data, method, objective }: RunConfig,
): NextStep[] {
  const { yields, isMergeable = true } = methodOf(method);
  const isAdapter = yields === "adapter";
  const tuned = isAdapter ? ["--model", model, "--adapter", output] : ["--model", output];
  if (objective === "prm") {
    const judge = isAdapter ? ["--model", model, "--prm", output] : ["--model", output];
    return [["to judge steps by it", ["prm", "judge", ...judge, "--data", data]]];
  }
  return [
    ["to talk to it", ["chat", ...tuned]],
    ["to measure it", ["evaluate", ...tuned, "--tasks", "gsm8k", "--limit", "100"]],
    ...(isAdapter && isMergeable
      ? [["to make a plain model of it", ["merge", folder, "--out", `${folder}-merged`]] satisfies NextStep]
      : []),
  ];
}

/** The answers to each prompt before the first step and after `step`, a line each. */
function describeSamples(samples: readonly RunSample[], step: number): string[] {
  const answersAt = (step: number) => samples.filter((sample) => sample.step === step);
  const before = answersAt(0);
  const asLine = (text: string) => text.trim().replace(/\s+/g, " ");
  return answersAt(step).flatMap(({ prompt, answer }, i) => [
    asLine(prompt),
    `  before  ${asLine(before[i]?.answer ?? "")}`,
    `  tuned   ${asLine(answer)}`,
  ]);
}

/** What a run took, in words; docs/efficiency.md explains the quantities. */
function describeEfficiency(efficiency: Efficiency): string[] {
  const { averagePower, averageUtilization, averageLatency } = efficiency;
  const power = averagePower === null ? "" : `; ${averagePower.toFixed(1)} W`;
  return [
    `${averageLatency.toPrecision(3)} s a step, ${efficiency.tokensPerSecond.toFixed(0)} tokens/s; memory ${formatBytes(efficiency.peakMemoryBytes)} at most; cores ${(100 * averageUtilization).toFixed(0)} % busy${power}.`,
  ];
}
