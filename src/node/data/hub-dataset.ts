/** @file A dataset by path or by its id on the Hub. */

import { existsSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { rowFileExtensions } from "../formats/rows.ts";
import { fetchFromHub, type HubOptions, isHubId, listFolder } from "../hub/hub.ts";

/** Whether a file of a repository holds rows of a split: its name starts with the split's, as in "train-00000-of-00001.parquet". */
function isOfSplit(path: string, split: string): boolean {
  return rowFileExtensions.includes(extname(path)) && new RegExp(`^${split}(?:[-._]|$)`).test(basename(path));
}

/** Datasets that are named in short, with a split after a colon, as in "gsm8k:train". */
const shortNames: Readonly<Record<string, string>> = { gsm8k: "openai/gsm8k:main" };

/**
 * The file of a dataset's examples: `nameOrPath` itself if it exists, else the split's file of the Hub's dataset of
 * that id. A configuration is named after a colon, as in "openai/gsm8k:main", and of a short name the split, as in "gsm8k:train".
 *
 * @throws InputError if it is neither, or the split is in no file or several.
 */
export async function resolveDataset(
  nameOrPath: string,
  split: string,
  options: HubOptions = {},
): Promise<string> {
  if (existsSync(nameOrPath)) return nameOrPath;
  const [name, configuration] = nameOrPath.split(":") as [string, string | undefined];
  const id = shortNames[name];
  if (id !== undefined) return resolveDataset(id, configuration ?? split, options);
  if (!isHubId(name)) throw new InputError(`There is no file ${nameOrPath}.`);
  if (!/^\w+$/.test(split)) throw new InputError(`"${split}" is not the name of a split, such as "train".`);
  const wanted = (path: string) =>
    isOfSplit(path, split) && (configuration === undefined || path.split("/").includes(configuration));
  const folder = await fetchFromHub({ type: "dataset", name }, wanted, options);
  const files = listFolder(folder).filter(wanted);
  if (files.length === 1) return join(folder, files[0]!);
  throw new InputError(
    files.length === 0
      ? `The dataset ${nameOrPath} has no file of the split "${split}".`
      : `The dataset ${nameOrPath} has the split "${split}" in ${files.length} files (${files.slice(0, 4).join(", ")}); name a configuration after a colon, or download one of them.`,
  );
}
