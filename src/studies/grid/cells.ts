/** @file The cells of a grid: which model each tunes on what. */

import type { MethodName } from "../../core/adapters/methods.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { StudyFolder } from "../study-folder.ts";
import { type GridConfig, optionsOf } from "./options.ts";
import { type DataSource, prepareData } from "./study-data.ts";

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

/** All cells: every method on every set, with each seed. @throws InputError if a set cannot be read. */
export async function listCells(config: GridConfig, folder: StudyFolder): Promise<Cell[]> {
  const data = await prepareData(config, folder.data);
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
