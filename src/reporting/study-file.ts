/** @file Reads study.json, which a person or another program may have changed. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { readJson } from "../node/files/structured.ts";
import type { StudyResults } from "../studies/results.ts";

/** The name of the file of results in a study's folder. */
export const studyFile = "study.json";

const count = z.int().min(0);
export const estimateSchema = z.object({ value: z.number(), low: z.number(), high: z.number() });
const losses = z.array(z.tuple([z.number(), z.number()]));
const texts = z.record(z.string(), z.string());

const task = z.object({
  name: z.string(),
  version: z.string(),
  metric: z.string(),
  filter: z.string(),
  higherIsBetter: z.boolean(),
  inPoints: z.boolean(),
  items: count,
  chance: z.number().nullable(),
  promptHashes: texts,
  alignedData: z.array(z.string()),
});

const change = z.object({
  family: z.object({ name: z.string(), size: count }),
  adjustedP: z.number(),
  verdict: z.enum(["better", "worse", "no difference shown"]),
  task: z.string(),
  pooled: z.array(z.string()).exactOptional(),
  metric: z.string(),
  filter: z.string(),
  higherIsBetter: z.boolean(),
  inPoints: z.boolean(),
  items: count,
  before: estimateSchema,
  after: estimateSchema,
  difference: estimateSchema,
  test: z.enum(["mcnemar-exact", "sign-flip"]),
  p: z.number(),
  fixed: count.exactOptional(),
  broken: count.exactOptional(),
  // JSON has no undefined.
  detectable: z
    .number()
    .optional()
    .transform((value) => value),
});

export const efficiencySchema = z.object({
  averageMemoryBytes: z.number(),
  peakMemoryBytes: z.number(),
  averageUtilization: z.number(),
  averageLatency: z.number(),
  tokensPerSecond: z.number(),
  samplesPerSecond: z.number(),
  tokenThroughput: z.number(),
  sampleThroughput: z.number(),
  averagePower: z.number().nullable(),
  compressionRate: z.number().nullable(),
  seconds: z.number(),
});

const quantizedBase = z.object({
  id: z.string(),
  storage: z.string(),
  error: z.string().exactOptional(),
  evaluation: z.string().exactOptional(),
  changes: z.record(z.string(), change).exactOptional(),
  divergence: estimateSchema.exactOptional(),
});

const cell = z.object({
  id: z.string(),
  method: z.string(),
  data: z.string(),
  seed: z.int(),
  error: z.string().exactOptional(),
  run: z
    .object({
      folder: z.string(),
      evaluation: z.string(),
      trainableParameters: count,
      steps: count,
      loss: losses,
      heldOutLoss: losses,
      efficiency: efficiencySchema,
    })
    .exactOptional(),
  changes: z.record(z.string(), change).exactOptional(),
  divergence: estimateSchema.exactOptional(),
  flips: z
    .array(
      z.object({
        task: z.string(),
        item: count,
        direction: z.enum(["fixed", "broken"]),
        prompt: z.string(),
        expected: z.string(),
        base: z.string(),
        tuned: z.string(),
      }),
    )
    .exactOptional(),
});

const alignmentScore = z.enum(["representation", "gradient", "lexical"]);

export const alignmentSchema = z.object({
  data: z.string(),
  task: z.string(),
  representation: z.number().nullable(),
  gradient: z.number().nullable(),
  lexical: z.number().nullable(),
  contaminated: z.array(count),
  checkedItems: count,
});

export const machineSchema = z.object({
  cpu: z.string(),
  cores: count,
  memoryBytes: z.number(),
  system: z.string(),
  node: z.string(),
});

const study: z.ZodType<StudyResults> = z
  .object({
    kind: z.enum(["slimming", "methods"]),
    date: z.string(),
    command: z.string(),
    machine: machineSchema,
    versions: texts,
    model: z.object({ name: z.string(), sha256: z.string(), parameters: z.number().positive() }),
    settings: z.record(z.string(), z.unknown()),
    data: z.array(
      z.object({ name: z.string(), source: z.string(), sha256: z.string(), examples: count, tokens: count }),
    ),
    tasks: z.array(task),
    base: z.object({ evaluation: z.string(), scores: z.record(z.string(), estimateSchema) }),
    quantizedBases: z.array(quantizedBase).exactOptional(),
    cells: z.array(cell),
    alignment: z.array(alignmentSchema),
    predictions: z.array(
      z.object({ score: alignmentScore, correlation: estimateSchema, cells: count, fits: count }),
    ),
    notes: z.array(z.string()),
  })
  .superRefine(({ tasks, base }, { addIssue }) => {
    const missing = tasks.find(({ name }) => !(name in base.scores));
    if (missing) addIssue(`the base model's score of ${missing.name} is missing`);
  });

/**
 * Reads the results of a study from its folder.
 *
 * @throws InputError if there is no study.json, or it is damaged
 */
export function readStudy(folder: string): StudyResults {
  const path = join(folder, studyFile);
  if (!existsSync(path)) {
    throw new InputError(`${folder} holds no ${studyFile}, so it is no study; name the folder of one.`);
  }
  return readJson(path, study, "run the study again");
}
