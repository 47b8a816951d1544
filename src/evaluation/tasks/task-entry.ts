/** @file A task or group as it is registered. */

import type { Row } from "../../core/data/row-fields.ts";
import type { TaskGroup } from "../evaluate.ts";
import type { TaskDefinition } from "./task-definition.ts";

/** A task with what is said of it in lists. */
export interface TaskEntry {
  readonly name: string;
  /** One line. */
  readonly description: string;
  /** Number of items that the definition evaluates; undefined if it is not known before they are read. */
  readonly items: number | undefined;
  /** The licence of its data. */
  readonly licence: string;
  readonly definition: TaskDefinition;
  /**
   * For a task whose training split is not among the local files: the part of another split that may be tuned on instead,
   * and the part that is then left to evaluate.
   */
  readonly tune?: { readonly split: string; readonly rest: string };
  /** Only the first items, as many as there are up to this, whatever limit is given for all tasks. */
  readonly limit?: number;
  /** How the dataset lies in a data folder; undefined if it comes from elsewhere. */
  readonly local?: LocalFiles;
}

export interface LocalFiles {
  /**
   * The file of each split, below the data folder; of several the first that is there. Splits of the definition that are
   * not among them count as absent, so that the harness's rules choose among the others.
   */
  readonly splits: Readonly<Record<string, string | readonly string[]>>;
  /** How a file is read if its rows are not those of the dataset on the Hub. */
  readonly read?: (path: string) => AsyncIterable<Row>;
  /** What differs from the dataset on the Hub, for reports. */
  readonly note?: string;
}

export interface GroupEntry extends TaskGroup {
  /** One line. */
  readonly description: string;
}
