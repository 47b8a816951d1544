/** @file What the prompts of a tuned model do: how far what they add differs between questions, and what is lost without them. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Adaptation } from "../../core/adapters/adaptation.ts";
import { adaptionPrompt } from "../../core/adapters/adaption-prompt.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import {
  buildMicroBatches,
  type MicroBatch,
  type TokenBatch,
  type TokenizedExample,
} from "../../core/data/batch.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { Model } from "../../core/models/model.ts";
import { varianceOverTexts } from "../../core/training/causal-term.ts";
import { prepareTasks } from "../../evaluation/prepare.ts";
import { encodePair } from "../../evaluation/request-encoding.ts";
import { readAdapter } from "../../node/adapters/peft-files.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import type { Cell } from "../grid/cells.ts";
import { studyTasks } from "../grid/study-data.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents } from "../study-kind.ts";
import { findTunedModel } from "../tuning.ts";
import { type PromptPart, withoutPart, withPartOf } from "./ablation.ts";
import { promptSettings } from "./cells.ts";
import { type CausalConfig, gridsOf } from "./options.ts";

const lossesSchema = z.array(z.number()).min(1);

const splitSchema = z.object({
  /** How many of the last layer's prompts count as shared. */
  shared: z.int(),
  /** The causal term: the variance over questions of what the shared prompts add, a channel and place in the text. */
  variance: z.number(),
  /** The mean square of the same, and of what the other prompts add; and their variance. */
  meanSquare: z.number(),
  particularVariance: z.number(),
  particularMeanSquare: z.number(),
  /** Negative log-likelihood of each right answer, in nats, without a part, or with that of the model of another set. */
  changed: z.array(
    z.object({
      part: z.enum(["shared", "particular"]),
      how: z.enum(["removed", "exchanged"]),
      losses: lossesSchema,
    }),
  ),
});

const promptsSchema = z.object({
  task: z.string(),
  /** The set whose model's prompts were put in; null if there is none. */
  exchangedWith: z.string().nullable(),
  /** Negative log-likelihood of each right answer, in nats. */
  losses: lossesSchema,
  splits: z.array(splitSchema).min(1),
});

export type PromptsFile = z.infer<typeof promptsSchema>;

function promptsPath(folder: StudyFolder, id: string): string {
  return join(folder.run(id), "prompts.json");
}

/** What was measured of a cell's prompts; undefined if it has none. @throws InputError if the file is damaged. */
export function readPrompts(folder: StudyFolder, id: string): PromptsFile | undefined {
  const path = promptsPath(folder, id);
  return existsSync(path) ? readJson(path, promptsSchema, "remove it and run the study again") : undefined;
}

/** The part that measures a cell's prompts; none if it has no prompts. */
export function promptsPart(
  config: CausalConfig,
  cell: Cell,
  cells: readonly Cell[],
  folder: StudyFolder,
): Part[] {
  if (!promptSettings(cell)) return [];
  const others = cells.filter(
    ({ method, variant, seed }) => method === cell.method && variant === cell.variant && seed === cell.seed,
  );
  const other = others[(others.indexOf(cell) + 1) % others.length]!;
  return [
    {
      name: `${cell.id}: prompts`,
      cell: cell.id,
      isDone: () => existsSync(promptsPath(folder, cell.id)),
      async compute(events) {
        const partner = other !== cell && findTunedModel(other.run) ? other : undefined;
        const found = await measurePrompts(config, cell, partner, events);
        writeWhole(promptsPath(folder, cell.id), `${JSON.stringify(found, undefined, 1)}\n`);
      },
    },
  ];
}

async function measurePrompts(
  config: CausalConfig,
  cell: Cell,
  partner: Cell | undefined,
  { onProgress }: PartEvents,
): Promise<PromptsFile> {
  onProgress("loading the model");
  const model = await openModel(config.model);
  const task = config.aligned[cell.data.name]![0]!;
  const examples = await readExamples(config, task, model);
  const batches = buildMicroBatches(examples, { microBatchTokens: 512, packing: false });
  const parameters = await readParameters(cell, model);
  const others = partner && (await readParameters(partner, model));
  const settings = promptSettings(cell)!;
  const ownShare = (cell.run as { readonly shared_prompts?: number }).shared_prompts;
  const shares = ownShare === undefined ? config.shared_prompts : [ownShare];
  const scoreWith = (adaptation: Adaptation, tensors: Parameters) =>
    withEngine(model, adaptation, (engine) => scoreAll(engine, batches, examples.length, tensors));
  const contributionsOf = (shared: number) =>
    withEngine(model, adaptionPrompt(settings, model.config, shared), async (engine) => {
      const found = new Map<TokenBatch, Float32Array>();
      for (const batch of batches) found.set(batch, await engine.contributions(batch, parameters));
      return found;
    });

  const plain = adaptionPrompt(settings, model.config);
  const losses = await scoreWith(plain, parameters);
  const whole = await contributionsOf(settings.adapter_len);
  const splits: PromptsFile["splits"] = [];
  for (const shared of shares) {
    onProgress(`${shared} shared of ${settings.adapter_len} prompts`);
    const ofShared = await contributionsOf(shared);
    const ofOthers = new Map(
      [...whole].map(([batch, all]) => [batch, all.map((value, i) => value - ofShared.get(batch)![i]!)]),
    );
    const changed: PromptsFile["splits"][number]["changed"] = [];
    for (const part of ["shared", "particular"] satisfies PromptPart[]) {
      const removed = withoutPart(part, settings, model.config, shared);
      changed.push({ part, how: "removed", losses: await scoreWith(removed, parameters) });
      if (!others) continue;
      const mixed = withPartOf(others, part, parameters, model.config, shared);
      changed.push({ part, how: "exchanged", losses: await scoreWith(plain, mixed) });
    }
    splits.push({
      shared,
      variance: varianceOverTexts(ofShared).mean,
      meanSquare: meanSquareOverTexts(ofShared),
      particularVariance: varianceOverTexts(ofOthers).mean,
      particularMeanSquare: meanSquareOverTexts(ofOthers),
      changed,
    });
  }
  return { task, exchangedWith: partner?.data.name ?? null, losses, splits };
}

async function withEngine<T>(
  { config, weights }: Model,
  adaptation: Adaptation,
  use: (engine: ReturnType<typeof createEngine>) => Promise<T>,
): Promise<T> {
  const engine = createEngine(openDevice("cpu"), config, weights, adaptation, { segmentSize: 1 });
  return use(engine).finally(() => engine.release());
}

/** The negative log-likelihood of each example's labels, in nats. */
async function scoreAll(
  engine: ReturnType<typeof createEngine>,
  batches: readonly MicroBatch[],
  examples: number,
  parameters: Parameters,
): Promise<number[]> {
  const losses = new Array<number>(examples).fill(0);
  for (const batch of batches) {
    const logProbabilities = await engine.score(batch, parameters);
    for (const [label, example] of batch.labelExamples.entries())
      losses[example]! -= logProbabilities[label]!;
  }
  return losses;
}

/** The mean square over the channels and those places in a text at which at least two texts have a token. */
function meanSquareOverTexts(values: ReadonlyMap<TokenBatch, Float32Array>): number {
  const sums: number[] = [];
  const counts: number[] = [];
  let width = 0;
  for (const [{ positionIds, segmentIds }, all] of values) {
    width = all.length / positionIds.length;
    for (const [token, place] of positionIds.entries()) {
      if (segmentIds[token] === 0) continue;
      const own = all.subarray(token * width, (token + 1) * width);
      sums[place] = (sums[place] ?? 0) + own.reduce((sum, value) => sum + value * value, 0);
      counts[place] = (counts[place] ?? 0) + 1;
    }
  }
  const places = [...counts.keys()].filter((place) => counts[place]! > 1);
  return places.reduce((sum, place) => sum + sums[place]! / counts[place]!, 0) / (places.length * width);
}

/** The items with their right answers in the loss. @throws InputError if an item has no right answer to be written. */
async function readExamples(config: CausalConfig, task: string, model: Model): Promise<TokenizedExample[]> {
  const { prompt_items, data_dir: dataDir, num_fewshot: numFewshot } = config;
  const options = {
    ...(dataDir !== undefined && { dataDir }),
    ...(numFewshot !== undefined && { numFewshot }),
  };
  const { tasks } = await prepareTasks([task], options, studyTasks(gridsOf(config)[0]));
  return tasks
    .flatMap(({ instances }) => instances)
    .slice(0, prompt_items)
    .map(({ gold }) => {
      if (!gold)
        throw new InputError(
          `The task ${task} has items without a right answer, on which prompts cannot be measured; align another first.`,
        );
      const { ids, scored } = encodePair(model.tokenizer, gold, Number.POSITIVE_INFINITY);
      return {
        ids: Int32Array.from(ids),
        trained: new Uint8Array(ids.length).fill(1, ids.length - scored),
      };
    });
}

async function readParameters({ run }: Cell, { config, fingerprint }: Model): Promise<Parameters> {
  return (await readAdapter(runFolder(run.out).adapter, config, fingerprint)).parameters;
}
