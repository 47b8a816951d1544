/** @file The pool of a study: a task's split, or a file's rows. */

import { locateData } from "../evaluation/dataset-location.ts";
import { type FewshotPool, shotFields } from "../evaluation/fewshot.ts";
import type { TaskRegistry } from "../evaluation/tasks/registry.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { readRows } from "../node/formats/rows.ts";

/**
 * Reads demonstrations: of a split such as "gsm8k:train" or "gsm8k:train[:1000]", which are rendered as that task's examples, or of a
 * file or Hub id, whose rows have the fields of the tasks that they stand before.
 *
 * @param dataDir folder with the tasks' datasets as files; without it they come from the Hub
 * @throws InputError if there is no such file or split
 */
export async function readPool(
  pool: string,
  registry: TaskRegistry,
  dataDir: string | undefined,
): Promise<FewshotPool> {
  const [, task, split] = /^([^:/\\]+):(.+)$/.exec(pool) ?? [];
  const entry = registry.tasks.find(({ name }) => name === task);
  if (entry) {
    const { definition, readSplit } = locateData(entry, dataDir);
    return { docs: await readSplit(split!), fields: shotFields(definition) };
  }
  const path = await resolveDataset(pool, "train");
  const docs = [];
  for await (const { fields, line } of readRows(path))
    docs.push({ doc: fields, where: `${path}, line ${line}` });
  return { docs };
}
