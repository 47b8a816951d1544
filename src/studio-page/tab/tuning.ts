/** @file The page's one tuning: how it was begun, how far it is, and what comes of it. All of it outlives the tab. */

import { batch, signal } from "@preact/signals";
import type { EvaluationMetrics, StepMetrics } from "../../core/training/loop.ts";
import type { ExampleRow } from "../../web/examples.ts";
import type { TuneOptions } from "../../web/tune-options.ts";
import type { TuningState } from "../../web/tuning-state.ts";
import { type EngineSettings, endEngine, withEngine } from "./engine.ts";
import { forget, keep, recall } from "./store.ts";

/** How it was begun. */
export interface Begun extends EngineSettings {
  readonly rows: readonly ExampleRow[];
  readonly options: TuneOptions;
}

/** How far it is: what is kept after each step, and before the first. */
export interface Course {
  /** After the last step; undefined if there was none. */
  readonly state: TuningState | undefined;
  readonly totalSteps: number;
  readonly steps: readonly StepMetrics[];
  readonly evaluations: readonly EvaluationMetrics[];
  /** Whether it was under way, and so goes on by itself when the page is opened again. */
  readonly isUnderWay: boolean;
}

export const begun = signal<Begun | undefined>(undefined);
export const phase = signal<"standing" | "tuning" | "stopping">("standing");
export const totalSteps = signal(0);
export const steps = signal<readonly StepMetrics[]>([]);
export const evaluations = signal<readonly EvaluationMetrics[]>([]);
/** The adapter's files, while the worker has its model. */
export const adapter = signal<readonly File[] | undefined>(undefined);
export const problem = signal("");
/** Why nothing outlives the tab. */
export const storageProblem = signal("");
/** Whether there are steps left. */
export const canGoOn = signal(false);

let state: TuningState | undefined;
let stopping = new AbortController();

/** Takes up what was left, and goes on with it if the tab ended in the middle. */
export async function restore(): Promise<void> {
  const [task, course] = await Promise.all([recall<Begun>("begun"), recall<Course>("course")]).catch(() => {
    storageProblem.value =
      "This browser keeps nothing for this page: if the tab is closed, a tuning is lost.";
    return [];
  });
  if (!task || !course) return;
  state = course.state;
  batch(() => {
    begun.value = task;
    totalSteps.value = course.totalSteps;
    steps.value = course.steps;
    evaluations.value = course.evaluations;
    canGoOn.value = !state || state.progress.step < course.totalSteps;
  });
  if (!course.isUnderWay) return;
  // If the tab ends again before the next step, as where its memory is too small, the person decides.
  await keepCourse(false);
  await goOn();
}

/** Begins a tuning. */
export async function begin(task: Begun): Promise<void> {
  batch(() => {
    begun.value = task;
    canGoOn.value = true;
  });
  await keepValue("begun", task);
  await keepCourse(true);
  await goOn();
}

/** Tunes from where it stands; the adapter is then there, after the last step or where it was stopped. */
export async function goOn(): Promise<void> {
  const { rows, options, ...settings } = begun.value!;
  stopping = new AbortController();
  const { signal } = stopping;
  batch(() => {
    phase.value = "tuning";
    problem.value = "";
    adapter.value = undefined;
  });
  try {
    const { files, outcome } = await withEngine(settings, "The model is being tuned…", (worker) => {
      signal.throwIfAborted();
      return worker.tune(rows, options, {
        state,
        signal,
        onPlan: (plan) => {
          totalSteps.value = plan.totalSteps;
        },
        onStep: (metrics) => {
          steps.value = [...steps.value.filter(({ step }) => step < metrics.step), metrics];
        },
        onEvaluation: (metrics) => {
          evaluations.value = [...evaluations.value.filter(({ step }) => step < metrics.step), metrics];
        },
        onState: async (given) => {
          state = given;
          await keepCourse(!signal.aborted);
        },
      });
    });
    batch(() => {
      canGoOn.value = outcome === "interrupted";
      adapter.value = files;
      phase.value = "standing";
    });
    await keepCourse(false);
  } catch (error) {
    // What has no step yet is still to be chosen.
    if (!state) await giveUp();
    if (!signal.aborted) problem.value = (error as Error).message;
    phase.value = "standing";
  }
}

/** Stops after the last whole step. */
export function stop(): void {
  phase.value = "stopping";
  stopping.abort();
}

/** Gives the tuning up, and all that was kept of it. */
export async function giveUp(): Promise<void> {
  endEngine();
  state = undefined;
  batch(() => {
    begun.value = undefined;
    totalSteps.value = 0;
    steps.value = [];
    evaluations.value = [];
    adapter.value = undefined;
    problem.value = "";
  });
  await forget().catch(() => {});
}

async function keepCourse(isUnderWay: boolean): Promise<void> {
  const course: Course = {
    state,
    totalSteps: totalSteps.value,
    steps: steps.value,
    evaluations: evaluations.value,
    isUnderWay,
  };
  await keepValue("course", course);
}

async function keepValue(name: string, value: unknown): Promise<void> {
  await keep(name, value).catch((error: Error) => {
    storageProblem.value = `The browser's storage does not take the tuning (${error.message}): if this tab is closed, it is lost.`;
  });
}
