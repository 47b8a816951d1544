/** @file A run's loop, with what it writes into the folder on the way. */

import process from "node:process";
import type { Engine } from "../../core/engine/engine.ts";
import {
  type EvaluationMetrics,
  type LoopOutcome,
  type LoopPlan,
  runTrainingLoop,
  type TrainingState,
} from "../../core/training/loop.ts";
import { estimateSecondsLeft, type StepPlan } from "../../core/training/step-plan.ts";
import { warn } from "../../core/warnings.ts";
import type { Efficiency } from "../efficiency/efficiency.ts";
import { watchResources } from "../efficiency/resource-watch.ts";
import { type RunProgress, writeCheckpoint } from "./checkpoint.ts";
import { type Metrics, readMetrics } from "./metrics-log.ts";
import type { RunEvents } from "./run-events.ts";
import { type RunFolder, writeEfficiency } from "./run-folder.ts";
import type { RunSample, SampleWriter } from "./samples.ts";
import { openStepLog } from "./step-log.ts";
import { openEventLog } from "./tensorboard.ts";

/**
 * Runs the loop with its metrics written to metrics.jsonl, efficiency.json and TensorBoard's files.
 *
 * @param answerSamples if given, what it gives is written to samples.jsonl
 */
export async function runAndLog(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState<RunProgress>,
  {
    folder,
    steps,
    events,
    measure,
    answerSamples,
  }: {
    folder: RunFolder;
    steps: StepPlan;
    events: RunEvents;
    measure: () => Efficiency | undefined;
    answerSamples: SampleWriter | undefined;
  },
): Promise<LoopOutcome> {
  const metrics = openStepLog<Metrics>(folder.metrics, state.progress);
  const samples = answerSamples && openStepLog<RunSample>(folder.samples, state.progress);
  const tensorboard = openEventLog(folder.tensorboard);
  const watch = watchResources(state.progress.usage);
  let samplingSeconds = 0;
  let evaluationSeconds: number | undefined;
  let hasWarned = false;
  let before = readMetrics(folder.metrics).find((line) => "eval_loss" in line);
  try {
    return await runTrainingLoop(engine, plan, state, {
      ...(events.signal && { signal: events.signal }),
      onStep(step) {
        const line = { ...step, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 };
        metrics.append(line);
        const { loss, learning_rate, grad_norm, metrics: more } = line;
        const values = { loss, learning_rate, grad_norm, ...more };
        tensorboard.append(line.step, prefixNames("train", values));
        const secondsLeft = estimateSecondsLeft(steps, state.progress, evaluationSeconds);
        events.onStep?.(line, state.progress, secondsLeft);
      },
      onEvaluating: (done, batches) => events.onStage?.(`held-out loss: ${done}/${batches}`),
      onEvaluation(line) {
        metrics.append(line);
        evaluationSeconds = samplingSeconds + line.seconds;
        before ??= line;
        if (!hasWarned) hasWarned = warnOfChosen(before, line);
        tensorboard.append(line.step, prefixNames("eval", { loss: line.eval_loss, ...line.metrics }));
        events.onEvaluation?.(line);
      },
      ...(answerSamples && {
        async sample(step) {
          const started = performance.now();
          events.onStage?.("sample answers");
          for (const answered of await answerSamples()) {
            const line = { step, ...answered };
            samples!.append(line);
            events.onSample?.(line);
          }
          samplingSeconds = (performance.now() - started) / 1000;
        },
      }),
      async save() {
        // The sums belong to the checkpoint: a run that goes on from it does not count later steps twice.
        state.progress = { ...state.progress, usage: watch.usage() };
        await writeCheckpoint(folder.checkpoints, state.progress, state.parameters, state.moments);
        const efficiency = measure();
        if (efficiency) writeEfficiency(folder, efficiency);
      },
    });
  } finally {
    watch.stop();
    metrics.close();
    samples?.close();
    tensorboard.close();
  }
}

/** Warns, and says whether it did, if a loss of margins was lowered by making both answers of pairs less likely (Pal et al. 2024). */
function warnOfChosen(before: EvaluationMetrics, { metrics, step }: EvaluationMetrics): boolean {
  const [was, is] = [before.metrics, metrics].map((each) => each?.["logps/chosen"]);
  if (was === undefined || is === undefined || is >= was - 0.01 * Math.abs(was)) return false;
  warn(
    `At step ${step} the chosen answers are less likely than before tuning (${is.toFixed(1)} nats each, from ${was.toFixed(1)}), which a loss of preferences allows as long as others lose more; a lower learning_rate, a higher beta, or objective "orpo" or "cpo", which imitate the chosen answers as well, hold them.`,
  );
  return true;
}

function prefixNames(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}
