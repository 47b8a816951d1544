/** @file A task or group as it is registered. */

import type { TaskGroup } from "../evaluate.ts";

/** A task with what is said of it in lists. */
export interface TaskEntry {
  readonly name: string;
  /** One line. */
  readonly description: string;
  /** Number of items that are evaluated; undefined if it is not known before they are read. */
  readonly items: number | undefined;
  /** The licence of its data. */
  readonly licence: string;
}

export interface GroupEntry extends TaskGroup {
  readonly description: string;
}
