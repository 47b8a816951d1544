/** @file Runs as a person sees them: found by their folders, with notes and curves, and removed. */

import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { renderCommand } from "../node/command-line.ts";
import { isLocked } from "../node/files/lock.ts";
import { remove } from "../node/files/write.ts";
import { runFolder } from "../node/training/run-folder.ts";
import type { Curves, Id, RunDetail, RunSummary, StudioEvent } from "./api.ts";
import { createCurveReader } from "./curves.ts";
import type { Folders } from "./folders.ts";
import { openNotes } from "./notes.ts";
import { createRunIndex, type IndexedRun } from "./run-index.ts";

export interface Runs {
  /** Looks at the folders anew and tells of what has changed. */
  refresh(): Promise<void>;
  /** All runs as they are now, those that began last first. */
  list(): Promise<RunSummary[]>;
  /** A run as it was seen last. @throws ApiError 404 if there is none of this id. */
  find(id: Id): IndexedRun;
  /** @throws ApiError 404, InputError if its config.yaml is damaged. */
  detail(id: Id): Promise<RunDetail>;
  /** @param after the position that is known. @throws ApiError 404 */
  curves(id: Id, after?: string): Promise<Curves>;
  /** @throws ApiError 404 */
  setNote(id: Id, note: string): Promise<RunSummary>;
  /**
   * Removes a run's whole folder.
   *
   * @param name the run's, as a check
   * @throws ApiError 404, InputError if the name is another, or something is writing into it.
   */
  remove(id: Id, name: string): Promise<void>;
}

export interface RunsOptions {
  readonly folders: Folders;
  /** Where notes are kept. */
  readonly stateFolder: string;
  /** Takes what has changed since the first look. */
  readonly publish: (event: StudioEvent) => void;
  /** Whether a job is at a run, or waits for it. */
  readonly isBusy: (run: Id) => boolean;
}

export function openRuns({ folders, stateFolder, publish, isBusy }: RunsOptions): Runs {
  const notes = openNotes(stateFolder);
  const index = createRunIndex({ folders, noteOf: notes.get, publish });
  const curves = createCurveReader();

  async function findNow(id: Id): Promise<IndexedRun> {
    await index.refresh();
    return index.find(id);
  }

  return {
    refresh: index.refresh,
    find: index.find,
    async list() {
      await index.refresh();
      return index.list();
    },
    async detail(id) {
      const run = await findNow(id);
      const { config, result } = run;
      const { path } = run.summary;
      const again = ["tune", "--config", join(path, "config.yaml"), "--out", `${path}-2`];
      return {
        ...run.summary,
        config: config(),
        command: renderCommand(result === undefined ? ["resume", path] : again),
        ...(result !== undefined && { result }),
        samples: run.samples,
      };
    },
    async curves(id, after) {
      return curves.read(runFolder(index.find(id).summary.path).metrics, after);
    },
    async setNote(id, note) {
      index.find(id);
      notes.set(id, note);
      return (await findNow(id)).summary;
    },
    async remove(id, name) {
      const { path, name: own } = (await findNow(id)).summary;
      if (name !== own) throw new InputError(`The run is called ${own}; give that name to remove it.`);
      if (isBusy(id) || isLocked(path))
        throw new InputError(`Something is at work in the run ${own}; stop it first.`);
      remove(folders.resolve(path));
      notes.set(id, "");
      await index.refresh();
    },
  };
}
