/** @file What the studio's routes share. */

import type { RunOptions } from "../node/training/run-config.ts";
import type { GivenOptions, Id } from "./api.ts";
import type { Folders } from "./folders.ts";

export interface StudioContext {
  readonly folders: Folders;
  /** The path of a run's folder. @throws ApiError 404 if there is none of this id. */
  findRun(id: Id): string;
  /**
   * A person's options with their paths as real ones, but without `out`, and not checked by the schema yet.
   *
   * @throws ApiError 403 if a path is outside the folders, InputError if an option could run a stranger's code.
   */
  admitOptions(given: GivenOptions): Partial<RunOptions>;
  /** A model's real path, that of the embedded one, or a Hub id. @throws ApiError 403 or 404 if it is none of them. */
  admitModel(model: string): string;
}
