/** @file All tasks and groups by name. */

import type { GroupEntry, TaskEntry } from "./task-entry.ts";

export interface TaskRegistry {
  readonly tasks: readonly TaskEntry[];
  readonly groups: readonly GroupEntry[];
  /** @throws InputError with similar names if there is no such task or group. */
  find(name: string): TaskEntry | GroupEntry;
}

/**
 * The built-in tasks, and those of YAML files.
 *
 * @param paths files of the user's tasks, or folders of such files
 * @throws InputError if a definition is not valid or two have the same name.
 */
export function loadTasks(_paths: readonly string[] = []): TaskRegistry {
  throw new Error("to be written");
}
