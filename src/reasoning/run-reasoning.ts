/** @file A run of strategies over tasks from start to end: model, problems, the folder that it is kept in, and what was found. */

import { setMaxListeners } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { openAnswerLog } from "../evaluation/answer-log.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { parseServerAddress } from "../evaluation/server-address.ts";
import { loadTasks, type TaskRegistry } from "../evaluation/tasks/registry.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { withLock } from "../node/files/lock.ts";
import { writeWhole } from "../node/files/write.ts";
import { openModel } from "../node/models/open-model.ts";
import { type ReportFiles, writeReport } from "../reporting/write-report.ts";
import type { CodeRunner } from "../sandbox/code-runner.ts";
import {
  binByDifficulty,
  type Cost,
  drawCurve,
  gainsAtEqualBudget,
  type SolvedProblem,
  type StrategyFacts,
} from "./analysis.ts";
import { type AnswerJudge, mathematicalJudge } from "./judge.ts";
import { openWriter, type WriterOptions } from "./open-writer.ts";
import { type Problem, readProblems } from "./problem.ts";
import { mostExamples } from "./prompts.ts";
import type { ReasoningResults } from "./results.ts";
import { type OpenScorer, ruleScorer, type SolutionScorer } from "./scorer.ts";
import { drawsWholes, isBaseline, parseStrategy, type StrategyOptions } from "./strategies/strategies.ts";
import type { ReasoningSettings, Strategy } from "./strategy.ts";
import { createTools, type Workshop } from "./tools.ts";
import { abilityNames, type Writer } from "./writer.ts";

export interface ReasoningOptions extends WriterOptions, StrategyOptions, Partial<ReasoningSettings> {
  /** Folder, .gguf file or Hub id, or a server: "openai:http://127.0.0.1:8000/v1#name"; or what else writes. */
  readonly model: string | Writer;
  /** Folder of an adapter in PEFT's layout. */
  readonly adapter?: string;
  /** Names of tasks with questions that are answered in writing, or problems of one's own. */
  readonly tasks: readonly (string | readonly Problem[])[];
  /** YAML files of further tasks. */
  readonly taskFiles?: readonly string[];
  /** Where the names are found. Default: the built-in tasks and those of `taskFiles`. */
  readonly registry?: TaskRegistry;
  /** Only so many problems of each named task, the first ones. */
  readonly limit?: number;
  /** Folder with the datasets as files. Default: they come from the Hub. */
  readonly dataDir?: string;
  /** Names, such as "sc:8", or one's own. The first is what the others are compared with. */
  readonly strategies: readonly (string | Strategy)[];
  /** Which tokens the curves are over. Default "written". */
  readonly cost?: Cost;
  /** Of the draws. Default 0. */
  readonly seed?: number;
  /** Finds and compares answers. Default: those to mathematical problems. */
  readonly judge?: AnswerJudge;
  /** Runs the programs of strategies that write some. */
  readonly runner?: Pick<CodeRunner, "run">;
  /**
   * Says how good steps are, to strategies that ask: a name such as "equations", `processRewardModel("runs/prm")`, which shares the
   * weights of `model`, or what else scores.
   */
  readonly scorer?: string | SolutionScorer | OpenScorer;
  /** Folder of the run: what was answered there before is not asked again. */
  readonly out: string;
  /** Ends the run; every answer so far is kept. */
  readonly signal?: AbortSignal;
}

export interface ReasoningEvents {
  readonly onStage?: (stage: string) => void;
  /** Called before the first request; from now on the run can be interrupted and gone on with. */
  readonly onPlan?: (plan: { readonly folder: string; readonly tasks: ReasoningResults["tasks"] }) => void;
  readonly onProgress?: (progress: ReasoningProgress) => void;
}

export interface ReasoningProgress {
  readonly strategy: string;
  /** Problems that the strategy has solved, of `total`. */
  readonly solved: number;
  readonly total: number;
  /** Tokens written so far, without those that were known. */
  readonly tokens: number;
}

export interface ReasoningOutcome {
  readonly folder: string;
  readonly results: ReasoningResults;
  readonly solutions: readonly SolvedProblem[];
  readonly report: ReportFiles;
}

/** What is taken where nothing is said. */
export const defaultSettings: ReasoningSettings = {
  maxTokens: 256,
  temperature: 0.7,
  topP: 0.95,
  instruction: "Let's think step by step.",
  examples: 0,
  stepTokens: 96,
  maxSteps: 16,
  answerCue: "\n\nThe answer is",
};

/**
 * Solves the problems of tasks by several strategies and writes what was found into a folder: `results.json`, `solutions.jsonl`
 * and a report. A run that was interrupted, however it was, goes on where it stopped if it is run again with the same folder; so
 * does one with further strategies or problems.
 *
 * @throws InputError if the model, a task, a strategy or an option cannot be used, or the model cannot do what a strategy needs.
 * @example
 * const { results } = await runReasoning({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   tasks: ["gsm8k"],
 *   strategies: ["cot", "cut:64", "budget:64", "sc:8", "sc-early:8"],
 *   limit: 100,
 *   out: "runs/reason",
 * });
 * for (const { strategy, accuracy, tokens } of results.curves[0]!.points) console.log(strategy, accuracy.value, tokens.value);
 */
export async function runReasoning(
  options: ReasoningOptions,
  events: ReasoningEvents = {},
): Promise<ReasoningOutcome> {
  const { out, judge = mathematicalJudge, cost = "written", seed = 0, runner } = options;
  const settings = readSettings(options);
  const strategies = readStrategies(options);
  const given = typeof options.scorer === "string" ? ruleScorer(options.scorer) : options.scorer;
  events.onStage?.("reading the problems");
  const tasks = await readTasks(options);

  const texts = join(out, "texts.jsonl");
  if (!existsSync(texts) && !isNewFolder(out)) {
    throw new InputError(
      `The output folder ${out} is not empty and holds no run of reasoning; choose another folder.`,
    );
  }

  return withLock(out, "run", async () => {
    const writers = new Map<string, Writer>();
    const log = openAnswerLog(texts);
    let scorer: SolutionScorer | undefined;
    try {
      events.onStage?.("opening the model");
      const { model, storage = "float32" } = options;
      const isLocal = typeof model === "string" && parseServerAddress(model) === undefined;
      const base = isLocal ? await openModel(model, { storage }) : undefined;
      const writer =
        typeof model === "string" ? await openWriter(base ?? model, options.adapter, options) : model;
      writers.set("", writer);
      const scoresSteps = strategies.some(({ scoresSteps }) => scoresSteps);
      if (typeof given !== "function") scorer = given;
      else if (scoresSteps) scorer = await given(base);
      for (const name of new Set(strategies.flatMap(({ models = [] }) => models))) {
        writers.set(name, await openWriter(name, undefined, options));
      }
      for (const strategy of strategies) checkStrategy(strategy, writer, settings, { runner, scorer });
      const needs = [...new Set(strategies.flatMap(({ needs = [] }) => needs))];
      for (const [name, each] of writers) await each.check?.(name === "" ? needs : []);

      const described = tasks.map(([{ task }, ...rest]) => ({ name: task, problems: rest.length + 1 }));
      events.onPlan?.({ folder: out, tasks: described });
      const workshop: Workshop = {
        ...{ settings, writer, others: writers, log, judge, runner, scorer, seed },
        signal: options.signal ?? new AbortController().signal,
      };
      const solved: SolvedProblem[][] = [];
      let tokens = 0;
      for (const strategy of strategies) {
        solved.push(
          await solveAll(strategy, tasks.flat(), workshop, (written, done) => {
            tokens += written;
            events.onProgress?.({
              strategy: strategy.name,
              solved: done,
              total: tasks.flat().length,
              tokens,
            });
          }),
        );
      }

      const facts = strategies.map(describeStrategy);
      const ofTask = (name: string) => solved.map((rows) => rows.filter(({ task }) => task === name));
      const results: ReasoningResults = {
        slimtune: slimtuneVersion,
        date: new Date().toISOString(),
        model: writer.name,
        adapter: options.adapter ?? null,
        seed,
        settings,
        scorer: scorer && scoresSteps ? scorer.name : null,
        cost,
        tasks: described,
        curves: described.map(({ name }) => ({
          task: name,
          points: drawCurve(facts, ofTask(name), cost),
          difficulty: binByDifficulty(ofTask(name), cost),
        })),
        gains: described.flatMap(({ name }) => gainsAtEqualBudget(facts, ofTask(name))),
      };
      const lines = solved.flat().map((row) => `${JSON.stringify(row)}\n`);
      writeWhole(join(out, "solutions.jsonl"), lines.join(""));
      // The charts' library is slow to load.
      const { reasoningReport } = await import("./report.ts");
      const report = writeReport(out, reasoningReport(results, solved.flat()));
      writeWhole(join(out, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
      return { folder: out, results, solutions: solved.flat(), report };
    } finally {
      log.close();
      for (const writer of writers.values()) await writer.release();
      await scorer?.release?.();
    }
  });
}

/** Solves all problems side by side. @param onSolved called with the tokens that were written, and how many are solved */
async function solveAll(
  strategy: Strategy,
  problems: readonly Problem[],
  workshop: Workshop,
  onSolved: (tokens: number, solved: number) => void,
): Promise<SolvedProblem[]> {
  // Where one problem fails, the others are not gone on with.
  const controller = new AbortController();
  const signal = AbortSignal.any([workshop.signal, controller.signal]);
  // Every request under way listens to it.
  setMaxListeners(0, signal);
  let solved = 0;
  const own = { ...workshop, signal, onText: ({ tokens }: { tokens: number }) => onSolved(tokens, solved) };

  const attempt = async <T>(problem: Problem | undefined, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      const failure = signal.aborted ? error : explain(error, strategy, problem);
      controller.abort(failure);
      throw failure;
    }
  };
  const ofQuestion = new Map(problems.map((problem) => [`${problem.task} ${problem.id}`, problem]));
  await attempt(undefined, async () =>
    strategy.prepare?.(
      problems,
      ({ task, id }) => createTools(own, strategy, ofQuestion.get(`${task} ${id}`)!).tools,
    ),
  );
  return Promise.all(
    problems.map((problem) =>
      attempt(problem, async () => {
        const { tools, meter, steps, countComputed } = createTools(own, strategy, problem);
        const { task, id, question, gold } = problem;
        const {
          answer,
          text,
          isCut = false,
          target,
          details = {},
          trees,
        } = await strategy.solve({ task, id, question }, tools);
        onSolved(0, ++solved);
        return {
          ...{ strategy: strategy.name, task, id, question, gold, steps: problem.steps ?? null },
          answer: answer ?? null,
          isRight: answer !== undefined && workshop.judge.equal(answer, gold),
          ...{ isCut, text, target: target ?? null, details },
          usage: { ...meter },
          computedTokens: countComputed(),
          ...(trees && { trees }),
          trace: [...steps],
        };
      }),
    ),
  );
}

/** What went wrong, with the strategy and the problem; without one the strategy was preparing itself. */
function explain(error: unknown, { name }: Strategy, problem: Problem | undefined): unknown {
  if (!(error instanceof Error) || error.name === "DamagedModelError") return error;
  const message = error.message.replace(/\.$/, "");
  const where = problem ? `problem ${problem.id} of ${problem.task}` : "its preparation";
  return new InputError(`The strategy ${name} fails at ${where}: ${message}.`, { cause: error });
}

function readSettings(options: ReasoningOptions): ReasoningSettings {
  const names = Object.keys(defaultSettings) as (keyof ReasoningSettings)[];
  const given = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  const settings: ReasoningSettings = { ...defaultSettings, ...Object.fromEntries(given) };
  const { examples, maxTokens, stepTokens, maxSteps, temperature } = settings;
  if (!Number.isInteger(examples) || examples < 0 || examples > mostExamples) {
    throw new InputError(
      `There are ${mostExamples} solved examples, so ${examples} cannot be given; take 0 to ${mostExamples}.`,
    );
  }
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1) {
    throw new InputError(
      `A solution of ${maxTokens} tokens cannot be asked for; take a whole number from 1 on.`,
    );
  }
  if (![stepTokens, maxSteps].every((value) => Number.isSafeInteger(value) && value >= 1)) {
    throw new InputError(
      `Solutions of ${maxSteps} steps of ${stepTokens} tokens cannot be searched; take whole numbers from 1 on.`,
    );
  }
  if (!(temperature > 0)) {
    throw new InputError(
      `At a temperature of ${temperature} all samples would be the same; take one above 0, which only samples are drawn with.`,
    );
  }
  return settings;
}

function readStrategies(options: ReasoningOptions): Strategy[] {
  const { strategies } = options;
  if (strategies.length === 0) throw new InputError("No strategy is named; name at least one, such as cot.");
  const parsed = strategies.map((one) => (typeof one === "string" ? parseStrategy(one, options) : one));
  const names = parsed.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw new InputError(`The strategy ${repeated} is named twice; name it once.`);
  return parsed;
}

/** The problems of each task. */
async function readTasks(options: ReasoningOptions): Promise<(readonly [Problem, ...Problem[]])[]> {
  const names = options.tasks.filter((task) => typeof task === "string");
  const own = options.tasks.filter((task) => typeof task !== "string");
  const registry = options.registry ?? loadTasks(options.taskFiles);
  const entries = names.length > 0 || own.length === 0 ? registry.select(names).tasks : [];
  const read = await Promise.all(
    entries.map((entry) => readProblems(entry, { limit: options.limit, dataDir: options.dataDir })),
  );
  return [...read, ...own].map((problems) => {
    const [first, ...rest] = problems;
    if (!first) throw new InputError("A list of problems is empty; give at least one problem.");
    return [first, ...rest];
  });
}

/** @throws InputError if the model cannot do what a strategy needs */
function checkStrategy(
  strategy: Strategy,
  writer: Writer,
  settings: ReasoningSettings,
  { runner, scorer }: Pick<Workshop, "runner" | "scorer">,
): void {
  const lacking = strategy.needs?.find((need) => !writer.abilities.includes(need));
  if (lacking !== undefined) {
    throw new InputError(
      `The strategy ${strategy.name} needs ${abilityNames[lacking]}, which ${writer.name} does not give; leave it out, or ask a model on this machine.`,
    );
  }
  if (strategy.runsCode && !runner) {
    throw new InputError(
      `The strategy ${strategy.name} runs a model's programs, but no runner of code is given; make one with createCodeRunner, or leave it out.`,
    );
  }
  if (strategy.scoresSteps && !scorer) {
    throw new InputError(
      `The strategy ${strategy.name} needs a scorer of steps, but none is given; give one, such as "equations", or leave it out.`,
    );
  }
  const { name, countTokens } = writer;
  strategy.check?.({ name, settings, ...(countTokens && { countTokens }) });
}

function describeStrategy({ name, isOracle = false, budget }: Strategy): StrategyFacts {
  const facts = { name, isBaseline: isBaseline(name), isOracle, drawsWholes: drawsWholes(name) };
  return budget === undefined ? facts : { ...facts, budget };
}
