/** @file Notes on runs, in a file of the studio's own: what a run's folder holds is the run's. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import type { Id } from "./api.ts";

export interface Notes {
  /** "" where there is none. */
  get(run: Id): string;
  set(run: Id, note: string): void;
}

/** @throws InputError if the file of notes is damaged. */
export function openNotes(folder: string): Notes {
  const path = join(folder, "notes.json");
  const stored = existsSync(path)
    ? readJson(path, z.record(z.string(), z.string()), "restore or remove it")
    : {};
  const notes = new Map(Object.entries(stored));
  return {
    get: (run) => notes.get(run) ?? "",
    set(run, note) {
      if (note === "") notes.delete(run);
      else notes.set(run, note);
      writeWhole(path, `${JSON.stringify(Object.fromEntries(notes), null, 2)}\n`);
    },
  };
}
