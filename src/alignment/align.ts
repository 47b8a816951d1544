/** @file How well sets of tuning data fit benchmarks, by the base model and the texts alone: before anything is tuned. */

import type { TokenizedExample } from "../core/data/batch.ts";
import type { Example, FieldMapping } from "../core/data/example.ts";
import { createSampler } from "../core/data/sampler.ts";
import { type TrainOn, tokenizeExample } from "../core/data/tokenize-example.ts";
import { InputError } from "../core/errors.ts";
import type { Model } from "../core/models/model.ts";
import type { Device } from "../core/runtime/device.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import { encodePair } from "../evaluation/request-encoding.ts";
import type { AnsweredQuestion } from "../evaluation/requests/output-type.ts";
import { loadTasks, type TaskRegistry } from "../evaluation/tasks/registry.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { type Benchmark, type BenchmarkOptions, readBenchmarks } from "./benchmark.ts";
import { indexItems, type Overlap } from "./contamination.ts";
import { createGradients } from "./gradient.ts";
import { lexicalSimilarity } from "./lexical.ts";
import { type Directions, meanCosine } from "./mean-cosine.ts";
import { createRepresentation, energySimilarity } from "./representation.ts";
import { readTuningSet, type TuningSet, textOf } from "./tuning-set.ts";

export const alignmentScores = ["representation", "gradient", "lexical"] as const;

/** Names of the scores of alignment; a higher one means a better fit. */
export type AlignmentScore = (typeof alignmentScores)[number];

/** How well a set of data fits a task, computed before tuning. A score is null where there are too few examples for it. */
export interface Alignment extends Readonly<Record<AlignmentScore, number | null>> {
  readonly data: string;
  /** Of a task or group. */
  readonly task: string;
  /** Items of the task of which 13 words in a row stand in the data (Brown et al. 2020), by number; a group's items are counted through its tasks. */
  readonly contaminated: readonly number[];
  readonly checkedItems: number;
}

/** A set of tuning data, read as a run would read it. */
export interface AlignmentData {
  readonly name: string;
  /** File of examples. */
  readonly path: string;
  readonly fields?: FieldMapping;
  /** Default "completion". */
  readonly trainOn?: TrainOn;
  /** Whether conversations go through the model's chat template, where it has one. Default true. */
  readonly applyChatTemplate?: boolean;
}

export interface AlignmentOptions extends BenchmarkOptions {
  /** Examples of each set from which the scores are computed. Default 64. */
  readonly samples?: number;
  /** Of the draws of examples, and of the directions of the gradient. Default 0. */
  readonly seed?: number;
  /** Where the tasks' names are found. Default: the built-in tasks. */
  readonly registry?: TaskRegistry;
  /** Default: the CPU. */
  readonly device?: Device;
  /** Called with what is being computed, such as "gradient of gsm8k: step 3 of 8". */
  readonly onStage?: (stage: string) => void;
}

/** An item of a task that stands in the data. */
export interface ContaminatedItem {
  readonly task: string;
  /** Number of the item in the task, from 0. */
  readonly docId: number;
  readonly ngram: string;
  /** The first row of the data that has it. */
  readonly line: number;
}

export interface AlignmentResult {
  /** Of each set of data with each benchmark, in the order in which they were given. */
  readonly alignments: readonly (Alignment & { readonly overlaps: readonly ContaminatedItem[] })[];
  readonly data: readonly { readonly name: string; readonly rows: number; readonly samples: number }[];
  readonly benchmarks: readonly {
    readonly name: string;
    readonly items: number;
    readonly samples: number;
    /** Tasks whose own items were taken as examples, since they have no others. */
    readonly knownByItems: readonly string[];
  }[];
}

/**
 * Measures how well sets of tuning data fit benchmarks, and whether items of these stand in the data. The scores, each
 * described where it is computed, compare a sample of the data with examples of the benchmark that are not evaluated, where
 * it has such. Everything that is computed of a set is computed once, whatever the number of pairs.
 *
 * @param model the base model
 * @param tasks names of tasks and groups; the examples of a group's tasks are taken together
 * @throws InputError if there are no data or tasks, two sets of data have the same name, fewer than 2 samples are asked for,
 *   or data or tasks cannot be read
 * @example
 * const model = await openModel("fixtures/embedded-model");
 * const data = [{ name: "faq", path: "faq.csv" }];
 * const { alignments } = await measureAlignment(model, data, ["gsm8k"], { samples: 32 });
 */
export async function measureAlignment(
  model: Model,
  data: readonly AlignmentData[],
  tasks: readonly string[],
  options: AlignmentOptions = {},
): Promise<AlignmentResult> {
  const { samples = 64, seed = 0, registry = loadTasks(), onStage } = options;
  checkNames(data);
  if (samples < 2) throw new InputError(`A score needs at least 2 samples of each set, not ${samples}.`);
  onStage?.("reading the tasks");
  const benchmarks = await readBenchmarks(tasks, options, registry);
  const items = benchmarks.flatMap((benchmark) => benchmark.items.map((item) => ({ benchmark, ...item })));
  const index = indexItems(items.map(wholeText));

  const tuningSets: TuningSet[] = [];
  for (const { name, path, fields } of data) {
    const onRow = (rows: number) => onStage?.(`reading ${name}: ${rows} rows`);
    tuningSets.push(await readTuningSet(path, index, { samples, seed, onRow, ...(fields && { fields }) }));
  }
  const draws = benchmarks.map(({ examples }) =>
    createSampler(examples.length, samples, seed)
      .examplesOf(0)
      .map((i) => examples[i]!),
  );
  const sets: ExampleSet[] = [
    ...data.map(({ name, path, trainOn = "completion", applyChatTemplate = true }, i) => {
      const { sample } = tuningSets[i]!;
      const tokenize = (example: Example) =>
        tokenizeExample(example, model.tokenizer, { trainOn, applyChatTemplate }, path).examples;
      return { name, texts: sample.map(textOf), examples: sample.flatMap(tokenize) };
    }),
    ...benchmarks.map(({ name }, i) => ({
      name,
      texts: draws[i]!.map(wholeText),
      examples: draws[i]!.map((example) => tokenizeQuestion(example, model.tokenizer)),
    })),
  ];
  const features = await computeFeatures(model, sets, seed, options);
  const [ofData, ofBenchmarks] = [features.slice(0, data.length), features.slice(data.length)];

  const checkedItems = benchmarks.map(
    (benchmark) => items.filter((item, i) => item.benchmark === benchmark && index.isChecked[i]).length,
  );
  return {
    alignments: data.flatMap(({ name }, i) =>
      benchmarks.map((benchmark, j) => ({
        data: name,
        task: benchmark.name,
        ...compare(ofData[i]!, ofBenchmarks[j]!),
        ...selectOverlaps(tuningSets[i]!.overlaps, benchmark, items),
        checkedItems: checkedItems[j]!,
      })),
    ),
    data: data.map(({ name }, i) => {
      const { rows, sample } = tuningSets[i]!;
      return { name, rows, samples: sample.length };
    }),
    benchmarks: benchmarks.map(({ name, items, knownByItems }, i) => ({
      name,
      items: items.length,
      samples: draws[i]!.length,
      knownByItems,
    })),
  };
}

function checkNames(data: readonly AlignmentData[]): void {
  if (data.length === 0) throw new InputError("There are no data; name at least one file of examples.");
  const names = data.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new InputError(`Two sets of data are named ${repeated}; give one of them another name.`);
  }
}

/** A sample of a set, as texts and as what a model is trained on. */
interface ExampleSet {
  readonly name: string;
  readonly texts: readonly string[];
  readonly examples: readonly TokenizedExample[];
}

interface Features {
  readonly texts: readonly string[];
  readonly vectors: readonly Float32Array[];
  readonly directions: Directions;
}

async function computeFeatures(
  model: Model,
  sets: readonly ExampleSet[],
  seed: number,
  { device = openDevice("cpu"), onStage }: AlignmentOptions,
): Promise<Features[]> {
  const vectors: Float32Array[][] = [];
  const representation = createRepresentation(device, model);
  try {
    for (const { name, texts } of sets) {
      const onText = (done: number) =>
        onStage?.(`representation of ${name}: text ${done} of ${texts.length}`);
      vectors.push(await representation.embed(texts, onText));
    }
  } finally {
    await representation.release();
  }
  const directions: Directions[] = [];
  const gradients = await createGradients(device, model, seed);
  try {
    for (const { name, examples } of sets) {
      const onStep = (done: number, steps: number) =>
        onStage?.(`gradient of ${name}: step ${done} of ${steps}`);
      directions.push(await gradients.directionsOf(examples, onStep));
    }
  } finally {
    await gradients.release();
  }
  return sets.map(({ texts }, i) => ({ texts, vectors: vectors[i]!, directions: directions[i]! }));
}

function compare(data: Features, task: Features): Record<AlignmentScore, number | null> {
  return {
    representation: energySimilarity(data.vectors, task.vectors),
    gradient: meanCosine(data.directions, task.directions),
    lexical: lexicalSimilarity(data.texts, task.texts),
  };
}

function wholeText({ question, answer }: AnsweredQuestion): string {
  return question + answer;
}

/** A question with its answer in the loss, divided into tokens as a log-likelihood is. */
function tokenizeQuestion({ question, answer }: AnsweredQuestion, tokenizer: Tokenizer): TokenizedExample {
  const { ids, scored } = encodePair(
    tokenizer,
    { context: question, continuation: answer },
    Number.POSITIVE_INFINITY,
  );
  return {
    ids: Int32Array.from(ids),
    trained: new Uint8Array(ids.length).fill(1, ids.length - scored),
  };
}

type IndexedItem = Benchmark["items"][number] & { readonly benchmark: Benchmark };

/** Those overlaps that are of a benchmark's items. */
function selectOverlaps(
  overlaps: readonly Overlap[],
  benchmark: Benchmark,
  items: readonly IndexedItem[],
): Pick<AlignmentResult["alignments"][number], "contaminated" | "overlaps"> {
  const first = items.findIndex((item) => item.benchmark === benchmark);
  const own = overlaps.filter(({ item }) => items[item]!.benchmark === benchmark);
  return {
    contaminated: own.map(({ item }) => item - first),
    overlaps: own.map(({ item, ngram, line }) => {
      const { task, docId } = items[item]!;
      return { task, docId, ngram, line };
    }),
  };
}
