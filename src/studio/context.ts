/** @file What the studio's routes share. */

import type { RunOptions } from "../node/training/run-config.ts";
import type { GivenOptions, Id } from "./api.ts";
import type { Folders } from "./folders.ts";

/** What the routes of what is shown get. */
export interface StudioContext {
  readonly folders: Folders;
  /** The path of a run's folder. @throws ApiError 404 if there is none of this id. */
  findRun(id: Id): string;
  /** A person's options with their paths as real ones; the schema is not asked. @throws ApiError or InputError, as `admitOptions` does. */
  admitOptions(given: GivenOptions): Partial<RunOptions>;
  /** A model's real path, that of the embedded one, or a Hub id. @throws ApiError 403 or 404 if it is none of them. */
  admitModel(model: string): string;
}
