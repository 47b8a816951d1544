/** @file The cells of a study: which model each tunes on what, and where its parts are. */

import { existsSync } from "node:fs";
import type { MethodName } from "../core/adapters/methods.ts";
import { isQuantized, type Storage } from "../core/models/linear.ts";
import { parseRunConfig, type RunOptions } from "../node/training/run-config.ts";
import { runFolder } from "../node/training/run-folder.ts";
import type { ModelChoice } from "./perform-job.ts";
import { optionsOf, type StudyConfig } from "./study-config.ts";
import type { DataSource } from "./study-data.ts";
import type { StudyFolder } from "./study-folder.ts";

/** One tuned model of a study. */
export interface Cell {
  /** Such as "lora-math", or "lora-math-2" with seed 2 of several. */
  readonly id: string;
  readonly method: MethodName;
  readonly data: DataSource;
  readonly seed: number;
  /** The options of its run. */
  readonly run: RunOptions;
}

/** All cells: every method on every set, with each seed. */
export function listCells(config: StudyConfig, data: readonly DataSource[], folder: StudyFolder): Cell[] {
  const { methods, seeds, model, apply_chat_template, chat_template, date } = config;
  return data.flatMap((source) =>
    methods.flatMap((method) =>
      seeds.map((seed): Cell => {
        const id = `${method}-${source.name}${seeds.length > 1 ? `-${seed}` : ""}`;
        const options: RunOptions = {
          ...optionsOf(method, config),
          model,
          data: source.path,
          method,
          seed,
          apply_chat_template,
          ...(chat_template !== undefined && { chat_template }),
          ...(date !== undefined && { date }),
          out: folder.run(id),
        };
        return { id, method, data: source, seed, run: options };
      }),
    ),
  );
}

/** The base model as some of the methods keep it, not tuned: what quantizing alone changes. */
export interface QuantizedBase {
  /** Such as "base-nf4". */
  readonly id: string;
  readonly storage: Storage;
}

export function listQuantizedBases(cells: readonly Cell[]): QuantizedBase[] {
  const storages = new Set(cells.map(({ run }) => parseRunConfig(run, "The study").storage));
  return [...storages].filter(isQuantized).map((storage) => ({ id: `base-${storage}`, storage }));
}

/** The tuned model of a cell; undefined before its run is finished. */
export function tunedModel(cell: Cell, { model }: StudyConfig, folder: StudyFolder): ModelChoice | undefined {
  const run = runFolder(folder.run(cell.id));
  if (existsSync(run.model)) return { model: run.model };
  if (!existsSync(run.adapter)) return undefined;
  const { storage } = parseRunConfig(cell.run, "The study");
  return { model, adapter: run.adapter, storage };
}
