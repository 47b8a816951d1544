/** @file What a page may give a run, checked before anything is read or started: its paths, and that it names no program. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { InputError } from "../core/errors.ts";
import { isRewardModule } from "../node/training/load-rewards.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import type { GivenOptions } from "./api.ts";
import type { Folders } from "./folders.ts";

export const embeddedModel = fileURLToPath(new URL("../../fixtures/embedded-model", import.meta.url));

/** A Hub id, with the configuration of a dataset or the split of a task after a colon. */
const hubModel = /^\w[\w.-]*\/[\w.-]+$/;
const hubData = /^\w[\w.-]*(?:\/[\w.-]+)?(?::\w[\w.-]*)?$/;

/** A model's real path, that of the embedded one, or a Hub id. @throws ApiError as `folders.resolve` does. */
export function admitModel(folders: Folders, model: string): string {
  return model === embeddedModel ? model : admitName(folders, model, hubModel);
}

/**
 * A person's options with their paths as real ones. The schema is not asked.
 *
 * @throws ApiError if a path is not in the folders, InputError if an option names a program or the run's folder.
 */
export function admitOptions(folders: Folders, given: GivenOptions): Partial<RunOptions> {
  if ("out" in given) throw new InputError(`The studio chooses the run's folder itself; leave out "out".`);
  checkRewards(given);
  const admitted: Record<string, unknown> = { ...given };
  const admit = (name: string, change: (value: string) => string) => {
    const value = given[name];
    if (typeof value === "string") admitted[name] = change(value);
  };
  for (const name of ["model", "teacher"]) admit(name, (value) => admitModel(folders, value));
  for (const name of ["adapter", "keep_text"]) admit(name, folders.resolve);
  admit("data", (value) => admitName(folders, value, hubData));
  return admitted;
}

/** @throws InputError if a run's rewards are of a module, which is a program that the studio starts for nobody. */
export function checkRewards({ reward }: GivenOptions): void {
  const module = [reward].flat().find((name) => typeof name === "string" && isRewardModule(name));
  if (module !== undefined)
    throw new InputError(
      `The reward ${module} is a program, which the studio does not start; tune with it by \`slimtune tune\`.`,
    );
}

/** What is no file is looked for on the Hub. */
function admitName(folders: Folders, name: string, onHub: RegExp): string {
  return !existsSync(name) && onHub.test(name) ? name : folders.resolve(name);
}
