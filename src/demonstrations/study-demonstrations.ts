/** @file A study of ways to choose demonstrations, from start to end: pool, choices, answers, and what was found. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { indexItems } from "../alignment/contamination.ts";
import { InputError } from "../core/errors.ts";
import type { Model } from "../core/models/model.ts";
import { openAnswerLog } from "../evaluation/answer-log.ts";
import { keepSettings } from "../evaluation/begun-settings.ts";
import { type CachedModel, cachedModel } from "../evaluation/cached-model.ts";
import { locateData } from "../evaluation/dataset-location.ts";
import {
  type Demonstration,
  type DemonstrationSelector,
  selectForAll,
} from "../evaluation/demonstration-selector.ts";
import { evaluate } from "../evaluation/evaluate.ts";
import { type FewshotPool, shotFields, toDemonstration } from "../evaluation/fewshot.ts";
import { withoutGold } from "../evaluation/gold.ts";
import { argumentsOf, type LanguageModel, type ModelRequest } from "../evaluation/language-model.ts";
import { createLocalModel, type LocalModel } from "../evaluation/local-model.ts";
import { withSize } from "../evaluation/metrics/aggregations.ts";
import { preferredScores } from "../evaluation/metrics/metrics.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { type AskingOptions, type OpenedModel, openModelToAsk } from "../evaluation/open-model-to-ask.ts";
import { prepareTask } from "../evaluation/prepare.ts";
import { encodePair, encodeText } from "../evaluation/request-encoding.ts";
import type { PreparedTask } from "../evaluation/task.ts";
import { loadTasks, type TaskRegistry } from "../evaluation/tasks/registry.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { withLock } from "../node/files/lock.ts";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import { openModel } from "../node/models/open-model.ts";
import { type ReportFiles, writeReport } from "../reporting/write-report.ts";
import { compareArms, type MeasuredArms } from "./compare-arms.ts";
import type { Lms3Compat } from "./lms3.ts";
import { countPromptTokens } from "./prompt-tokens.ts";
import { readPool } from "./read-pool.ts";
import {
  type ChosenForItem,
  type DemonstrationArm,
  type DemonstrationResults,
  type DemonstrationScore,
  type DemonstrationTask,
  nameArm,
} from "./results.ts";
import { createDemonstrationSelector, type SelectorName } from "./selectors.ts";

export interface DemonstrationStudyOptions extends AskingOptions {
  /** A task's split such as "gsm8k:train", or a file or Hub id of rows with the fields of the tasks. */
  readonly pool: string;
  /** Names of tasks and groups. */
  readonly tasks: readonly string[];
  /** YAML files of further tasks. */
  readonly taskFiles?: readonly string[];
  /** Where the names are found. Default: the built-in tasks and those of `taskFiles`. */
  readonly registry?: TaskRegistry;
  /** Folder with the datasets as files. Default: they come from the Hub. */
  readonly dataDir?: string;
  /** Only so many items of each task, the first ones. */
  readonly limit?: number;
  /** Names, or one's own. Without demonstrations ("zero-shot") the items are asked in any case. */
  readonly select: readonly (SelectorName | DemonstrationSelector)[];
  /** Numbers of demonstrations. Default [1]. */
  readonly k?: readonly number[];
  /** Draws of "random". Default 5. */
  readonly seeds?: number;
  /** Of "lms3". Default 0.01. */
  readonly lms3Lambda?: number;
  /** Default "paper". */
  readonly lms3Compat?: Lms3Compat;
  /** A model on this machine or of the Hub that reads texts to choose. Default: the one that is asked, without its adapter. */
  readonly chooseByModel?: string;
  /** Whether answers are written and judged, and whether the bits of the right ones are measured. Default: what the model can. */
  readonly score?: readonly DemonstrationScore[];
  /** Whether prompts are conversations in the model's chat template, with demonstrations as turns. Default false. */
  readonly applyChatTemplate?: boolean;
  /** Folder of the study: what was answered there before is not asked again. */
  readonly out: string;
}

export interface DemonstrationStudyEvents {
  readonly onStage?: (stage: string) => void;
  /** Called before the first request; from now on the study can be interrupted and gone on with. */
  readonly onPlan?: (plan: { readonly folder: string; readonly requests: number }) => void;
  readonly onProgress?: (progress: {
    readonly score: DemonstrationScore;
    readonly answered: number;
    readonly total: number;
    /** Tokens computed so far. */
    readonly tokens: number;
  }) => void;
}

export interface DemonstrationOutcome {
  readonly folder: string;
  readonly results: DemonstrationResults;
  readonly items: readonly ChosenForItem[];
  readonly report: ReportFiles;
}

/**
 * Asks a model the items of tasks after demonstrations from a pool that are chosen in several ways, and after none, and writes into a
 * folder what was found: `results.json`, `choices.jsonl` with a line for each item, and a report. A study that was interrupted, however
 * it was, goes on where it stopped if it is run again with the same folder; so does one with further selections, tasks or items.
 *
 * @throws InputError if the model, the pool, a task or an option cannot be used, a prompt is longer than the model's context, or the
 *   folder holds the answers of another model.
 * @example
 * const { results } = await studyDemonstrations({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   pool: "gsm8k:train",
 *   tasks: ["gsm8k"],
 *   select: ["random", "bm25", "lms3"],
 *   k: [1, 4],
 *   limit: 100,
 *   score: ["bits"],
 *   out: "runs/demos",
 * });
 * for (const { selection, k, scores } of results.tasks[0]!.arms) console.log(selection, k, scores[0]!.estimate.value);
 */
export async function studyDemonstrations(
  options: DemonstrationStudyOptions,
  events: DemonstrationStudyEvents = {},
): Promise<DemonstrationOutcome> {
  const { out, applyChatTemplate = false } = options;
  checkOptions(options);
  const registry = options.registry ?? loadTasks(options.taskFiles);
  const { tasks: entries } = registry.select(options.tasks);
  events.onStage?.("reading the pool");
  const pool = await readPool(options.pool, registry, options.dataDir);
  const identityFile = join(out, "asked.json");
  if (!existsSync(identityFile) && !isNewFolder(out)) {
    throw new InputError(
      `The output folder ${out} is not empty and holds no study of demonstrations; choose another folder.`,
    );
  }

  return withLock(out, "study", async () => {
    events.onStage?.("opening the model");
    const begun = existsSync(identityFile)
      ? readJson(identityFile, askedSchema, "choose another folder")
      : undefined;
    const date = options.date ?? begun?.date ?? undefined;
    const opened = await openModelToAsk({ ...options, ...(date && { date }) }, applyChatTemplate);
    const log = openAnswerLog(join(out, "answers.jsonl"));
    let chooser: Chooser | undefined;
    try {
      const scores = chooseScores(options, opened);
      const { name: _, adapter, ...identity } = opened.identity;
      keepSettings(
        identityFile,
        begun,
        {
          slimtune: slimtuneVersion,
          ...identity,
          adapter: adapter?.sha256 ?? null,
          date: opened.date ?? null,
        },
        "answers",
        [],
      );
      const asked = cachedModel(opened.model, { log });
      chooser = await openChooser(options, opened, asked);
      const selectors = openSelectors(options, chooser);
      const prepared: PreparedArms[] = [];
      for (const entry of entries)
        prepared.push(await prepareArms(entry, pool, selectors, options, opened, events));

      const total = scores.length * prepared.reduce((sum, { arms }) => sum + countRequests(arms), 0);
      events.onPlan?.({ folder: out, requests: total });
      const measured: MeasuredTask[][] = [];
      const report = (score: DemonstrationScore) => (answered: number, of: number) => {
        const { scored, generated } = opened.model.tokenCounts;
        events.onProgress?.({ score, answered, total: of, tokens: scored + generated });
      };
      if (scores.includes("bits")) measured.push(await measureBits(asked, prepared, report("bits")));
      if (scores.includes("answers")) measured.push(await measureAnswers(asked, prepared, report("answers")));

      events.onStage?.("comparing");
      const compared = measured.map((ofScore) => compareArms(ofScore));
      const tasks = prepared.map(
        (task, i): DemonstrationTask => ({
          task: task.name,
          items: task.queries.length,
          metric: measured.flatMap((ofScore) => ofScore[i]!.metric ?? [])[0] ?? null,
          arms: task.arms.map(({ runs: _, ...arm }, j) => ({
            ...arm,
            scores: compared.map((ofScore) => ofScore[i]![j]!),
          })),
          ...findContaminated(task.queries, task.demonstrations),
        }),
      );
      const results: DemonstrationResults = {
        slimtune: slimtuneVersion,
        date: new Date().toISOString(),
        model: opened.identity.name,
        adapter: adapter?.path ?? null,
        chooser: chooser.model?.name ?? null,
        pool: { name: options.pool, size: pool.docs.length },
        applyChatTemplate,
        lms3: { lambda: options.lms3Lambda ?? 0.01, compat: options.lms3Compat ?? "paper" },
        tasks,
      };
      const items = prepared.flatMap((task, i) =>
        describeItems(
          task,
          measured.map((ofScore) => ofScore[i]!),
        ),
      );
      writeWhole(join(out, "choices.jsonl"), items.map((item) => `${JSON.stringify(item)}\n`).join(""));
      // The charts' library is slow to load.
      const { demonstrationReport } = await import("./report.ts");
      const files = writeReport(out, demonstrationReport(results, items, prepared));
      writeWhole(join(out, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
      return { folder: out, results, items, report: files };
    } finally {
      log.close();
      await chooser?.release();
      await opened.release();
    }
  });
}

const askedSchema = z.looseObject({ date: z.string().nullable() });

function checkOptions({ select, k = [1], seeds = 5 }: DemonstrationStudyOptions): void {
  const names = select.map((one) => (typeof one === "string" ? one : one.name));
  if (names.length === 0) {
    throw new InputError("No way to choose demonstrations is named; name at least one, such as bm25.");
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw new InputError(`The selection ${repeated} is named twice; name it once.`);
  for (const [what, numbers] of [
    ["demonstrations", k],
    ["draws", [seeds]],
  ] as const) {
    const bad = numbers.find((number) => !Number.isInteger(number) || number < 1);
    if (bad !== undefined || numbers.length === 0) {
      throw new InputError(`${bad ?? "No number"} of ${what} cannot be taken; give whole numbers from 1 on.`);
    }
  }
  if (new Set(k).size < k.length)
    throw new InputError("A number of demonstrations is given twice; give it once.");
}

function chooseScores(
  { score, model }: DemonstrationStudyOptions,
  { base }: OpenedModel,
): readonly DemonstrationScore[] {
  const possible: readonly DemonstrationScore[] = base ? ["bits", "answers"] : ["answers"];
  const given = score ?? possible;
  const impossible = given.find((one) => !possible.includes(one));
  if (impossible !== undefined) {
    throw new InputError(
      `The server of ${model} does not say how likely given answers are, so that it cannot be scored by ${impossible}; take --score answers.`,
    );
  }
  return possible.filter((one) => given.includes(one));
}

/** What reads texts to choose. */
interface Chooser {
  readonly model: Model | undefined;
  readonly languageModel: LanguageModel;
  release(): Promise<void>;
}

async function openChooser(
  { chooseByModel, storage = "float32", out }: DemonstrationStudyOptions,
  opened: OpenedModel,
  asked: CachedModel,
): Promise<Chooser> {
  if (chooseByModel === undefined) {
    return { model: opened.base, languageModel: asked, release: async () => {} };
  }
  const model = await openModel(chooseByModel, { storage });
  const local: LocalModel = createLocalModel(model);
  const log = openAnswerLog(join(out, `chooser-${model.fingerprint.slice(0, 16)}.jsonl`));
  return {
    model,
    languageModel: cachedModel(local, { log }),
    async release() {
      log.close();
      await local.release();
    },
  };
}

/** A way to choose, with its draws. */
interface Selection {
  readonly name: string;
  readonly draws: readonly DemonstrationSelector[];
}

function openSelectors(options: DemonstrationStudyOptions, chooser: Chooser): Selection[] {
  const { seeds = 5, lms3Lambda, lms3Compat } = options;
  return options.select.map((one) => {
    if (typeof one !== "string") return { name: one.name, draws: [one] };
    const count = one === "random" ? seeds : 1;
    const draws = Array.from({ length: count }, (_, seed) =>
      createDemonstrationSelector(one, { ...chooser, seed, lms3Lambda, lms3Compat }),
    );
    return { name: draws[0]!.name, draws };
  });
}

/** A task with all ways to ask it. */
export interface PreparedArms {
  readonly name: string;
  readonly queries: readonly Demonstration[];
  readonly demonstrations: readonly Demonstration[];
  readonly arms: readonly (Omit<DemonstrationArm, "scores"> & { readonly runs: readonly PreparedRun[] })[];
}

/** All items after one draw of demonstrations. */
interface PreparedRun {
  /** Of each item, numbers in the pool. */
  readonly chosen: readonly (readonly number[])[];
  readonly task: PreparedTask;
}

async function prepareArms(
  entry: TaskEntry,
  pool: FewshotPool,
  selections: readonly Selection[],
  options: DemonstrationStudyOptions,
  opened: OpenedModel,
  events: DemonstrationStudyEvents,
): Promise<PreparedArms> {
  const { definition, readSplit } = locateData(entry, options.dataDir);
  const split = definition.test_split ?? definition.validation_split;
  if (split === undefined) throw new InputError(`The task ${entry.name} has no split to evaluate.`);
  const docs = (await readSplit(split)).slice(0, entry.limit ?? options.limit);
  const queries = docs.map((doc) => toDemonstration(definition, doc));
  const { fields = shotFields(definition) } = pool;
  const demonstrations = pool.docs.map((doc) => toDemonstration(fields, doc));
  const prepare = async (k: number, chosen: PreparedRun["chosen"]): Promise<PreparedRun> => {
    const { model } = opened;
    const task = await prepareTask(entry, {
      numFewshot: k,
      maxLength: model.maxLength,
      ...(options.limit !== undefined && { limit: options.limit }),
      ...(options.dataDir !== undefined && { dataDir: options.dataDir }),
      ...(options.applyChatTemplate && { applyChatTemplate: model.applyChatTemplate }),
      ...(k > 0 && {
        fewshotPool: pool,
        fewshotBy: { name: "chosen", prepare: async () => (query: number) => chosen[query]! },
      }),
    });
    return { task, chosen };
  };

  const arms: PreparedArms["arms"][number][] = [];
  const add = async (selection: Selection, k: number, chosen: readonly PreparedRun["chosen"][]) => {
    const runs: PreparedRun[] = [];
    for (const ofDraw of chosen) runs.push(await prepare(k, ofDraw));
    const counts = chosen.flat().map(({ length }) => length);
    const asked = k * counts.length;
    const { name, draws } = selection;
    const tokens = countTokens(entry.name, nameArm({ selection: name, k }), runs, opened);
    arms.push({
      selection: name,
      k,
      isOracle: draws[0]?.isOracle ?? false,
      seeds: runs.length,
      rejected: k === 0 ? 0 : 1 - counts.reduce((sum, count) => sum + count, 0) / asked,
      bare: counts.filter((count) => count === 0).length / counts.length,
      tokens,
      runs,
    });
  };
  await add({ name: "zero-shot", draws: [] }, 0, [queries.map(() => [])]);
  for (const selection of selections) {
    for (const k of options.k ?? [1]) {
      const chosen: PreparedRun["chosen"][] = [];
      for (const selector of selection.draws) {
        const onText = (done: number, total: number) =>
          events.onStage?.(`choosing by ${selection.name} for ${entry.name}: text ${done} of ${total}`);
        chosen.push(await selectForAll(demonstrations, queries, selector, k, onText));
      }
      await add(selection, k, chosen);
    }
  }
  return { name: entry.name, queries, demonstrations, arms };
}

/** @throws InputError if a prompt does not fit into the model's context, whose beginning would be cut off. */
function countTokens(
  task: string,
  arm: string,
  runs: readonly PreparedRun[],
  { base, model }: OpenedModel,
): DemonstrationArm["tokens"] {
  if (!base) return null;
  const prompts = runs.flatMap((run) =>
    run.task.instances.map(({ docId, requests, gold }) => {
      const [request] = requests;
      const ids = encodeText(base.tokenizer, argumentsOf(request!)[0]);
      const answer = request!.type === "generate_until" ? (request!.options.max_gen_toks ?? 0) : 0;
      const isCut = gold !== undefined && encodePair(base.tokenizer, gold, model.maxLength).isCut;
      if (isCut || ids.length + answer > model.maxLength) {
        throw new InputError(
          `Item ${docId} of ${task} with the demonstrations of ${arm} has a prompt of ${ids.length} tokens, which leaves no room for the answer in the model's context of ${model.maxLength}; take fewer demonstrations, or a pool of shorter ones.`,
        );
      }
      return ids;
    }),
  );
  return countPromptTokens(prompts);
}

function countRequests(arms: PreparedArms["arms"]): number {
  return arms.reduce(
    (sum, { runs }) => sum + runs.reduce((all, { task }) => all + task.instances.length, 0),
    0,
  );
}

/** One score of a task after all arms. */
interface MeasuredTask extends MeasuredArms {
  /** Of "answers". */
  readonly metric?: string;
}

/** Bits of the right answers, each counted by its bytes. */
async function measureBits(
  model: LanguageModel,
  tasks: readonly PreparedArms[],
  onAnswer: (answered: number, total: number) => void,
): Promise<MeasuredTask[]> {
  const instances = tasks.flatMap(({ arms }) =>
    arms.flatMap(({ runs }) => runs.flatMap(({ task }) => task.instances)),
  );
  const golds = instances.map(({ gold, docId }) => {
    if (gold) return gold;
    throw new InputError(
      `An item (${docId}) has no right answer whose bits could be measured; take --score answers, or leave its task out.`,
    );
  });
  let answered = 0;
  const results = await model.loglikelihood(golds, () => onAnswer(++answered, golds.length));
  const bits = new Map<ModelRequest, number>(
    golds.map((gold, i) => [gold, -results[i]!.logLikelihood / Math.LN2]),
  );
  return tasks.map(({ arms }) => ({
    score: "bits",
    sizes: Float64Array.from(arms[0]!.runs[0]!.task.instances, ({ gold }) =>
      Buffer.byteLength(gold!.continuation),
    ),
    arms: arms.map(({ selection, k, runs }) => ({
      selection,
      k,
      values: runs.map(({ task }) => Float64Array.from(task.instances, ({ gold }) => bits.get(gold!)!)),
    })),
  }));
}

/** The score by which a task is judged, of answers that are written or chosen. */
async function measureAnswers(
  model: LanguageModel,
  tasks: readonly PreparedArms[],
  onAnswer: (answered: number, total: number) => void,
): Promise<MeasuredTask[]> {
  const runs = tasks.flatMap(({ arms }) => arms.flatMap((arm) => arm.runs));
  const { tasks: evaluated } = await evaluate(
    model,
    runs.map(({ task }) => withoutGold(task)),
    [],
    { onProgress: ({ answered, total }) => onAnswer(answered, total) },
  );
  const ofRun = new Map(runs.map((run, i) => [run, evaluated[i]!]));
  return tasks.map(({ name, arms }) => {
    const { scores } = ofRun.get(arms[0]!.runs[0]!)!;
    const main = preferredScores.flatMap(
      ([metric, filter]) =>
        scores.find((one) => one.metric === metric && (filter === undefined || one.filter === filter)) ?? [],
    )[0];
    if (!main) {
      throw new InputError(`The task ${name} has no score by which answers are judged; leave it out.`);
    }
    const itemsOf = (run: PreparedRun) =>
      ofRun
        .get(run)!
        .samples.filter(({ filter }) => filter === main.filter)
        .map(({ scores }) => withSize(scores[main.metric]!));
    return {
      score: "answers",
      metric: main.filter === "none" ? main.metric : `${main.metric} (${main.filter})`,
      sizes: Float64Array.from(itemsOf(arms[0]!.runs[0]!), ([, size]) => size),
      arms: arms.map(({ selection, k, runs }) => ({
        selection,
        k,
        values: runs.map((run) => Float64Array.from(itemsOf(run), ([sum]) => sum)),
      })),
    };
  });
}

/** Which items stand in the pool. */
function findContaminated(
  queries: readonly Demonstration[],
  pool: readonly Demonstration[],
): Pick<DemonstrationTask, "contaminated" | "checkedItems"> {
  const textOf = ({ text, solution = "" }: Demonstration) => `${text}\n${solution}`;
  const { isChecked, createSearch } = indexItems(queries.map(textOf));
  const search = createSearch();
  for (const [place, demonstration] of pool.entries()) search.visit(textOf(demonstration), place);
  return {
    contaminated: search
      .overlaps()
      .map(({ item, ngram, line }) => ({ docId: item, demonstration: line, ngram })),
    checkedItems: isChecked.filter(Boolean).length,
  };
}

function describeItems(
  { name, queries, arms }: PreparedArms,
  measured: readonly MeasuredTask[],
): ChosenForItem[] {
  const runs = arms.flatMap((arm, i) =>
    arm.runs.map(({ chosen }, draw) => ({
      label: arm.runs.length === 1 ? nameArm(arm) : `${nameArm(arm)}#${draw}`,
      chosen,
      valuesOf: (ofScore: MeasuredTask) => ofScore.arms[i]!.values[draw]!,
    })),
  );
  return queries.map(({ text }, docId) => ({
    task: name,
    docId,
    question: text,
    demonstrations: Object.fromEntries(runs.map(({ label, chosen }) => [label, chosen[docId]!])),
    scores: Object.fromEntries(
      runs.map(({ label, valuesOf }) => [
        label,
        Object.fromEntries(measured.map((ofScore) => [ofScore.score, valuesOf(ofScore)[docId]!])),
      ]),
    ),
  }));
}
