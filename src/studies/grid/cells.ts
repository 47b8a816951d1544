/** @file The cells of a grid: which model each tunes on what. */

import type { MethodName } from "../../core/adapters/methods.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { StudyFolder } from "../study-folder.ts";
import { type GridConfig, optionsOf } from "./options.ts";
import { type DataSource, prepareData } from "./study-data.ts";

/** One tuned model of a study. */
export interface Cell {
  /** Such as "lora-math", or "lora-math-keep-0.1-2": of a variant, with seed 2 of several. */
  readonly id: string;
  readonly method: MethodName;
  readonly data: DataSource;
  /** Which of the study's variants it is, if there are any. */
  readonly variant?: string;
  readonly seed: number;
  /** The options of its run. */
  readonly run: RunOptions;
}

/** All cells: every method on every set, in each variant, with each seed. @throws InputError if a set cannot be read. */
export async function listCells(config: GridConfig, folder: StudyFolder): Promise<Cell[]> {
  const data = await prepareData(config, folder.data);
  const { methods, seeds, model, apply_chat_template, chat_template, date } = config;
  const variants = Object.keys(config.variants ?? {});
  const makeCell = (
    source: DataSource,
    method: MethodName,
    variant: string | undefined,
    seed: number,
  ): Cell => {
    const id = [method, source.name, variant, seeds.length > 1 ? seed : undefined]
      .filter((part) => part !== undefined)
      .join("-");
    const options: RunOptions = {
      ...optionsOf(method, config, variant),
      model,
      data: source.path,
      method,
      seed,
      apply_chat_template,
      ...(chat_template !== undefined && { chat_template }),
      ...(date !== undefined && { date }),
      out: folder.run(id),
    };
    return { id, method, data: source, ...(variant !== undefined && { variant }), seed, run: options };
  };
  return data.flatMap((source) =>
    methods.flatMap((method) =>
      (variants.length > 0 ? variants : [undefined]).flatMap((variant) =>
        seeds.map((seed) => makeCell(source, method, variant, seed)),
      ),
    ),
  );
}
