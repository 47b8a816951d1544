/** @file The models of a federated study's cells, and where their adapters are. */

import { join } from "node:path";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { FederatedCell } from "./cells.ts";
import { localRuns } from "./local-tuning.ts";
import type { FederatedConfig } from "./options.ts";

/** A model that a cell tuned, and the folder of its adapter. */
export interface CellModel {
  /** Of its evaluation. */
  readonly id: string;
  readonly adapter: string;
}

/** A model that is tuned in one place. */
interface LocalModel {
  /** Whose it is, of clients that tune alone. */
  readonly client?: string;
  /** Of each round. */
  readonly runs: readonly RunOptions[];
}

/** The models of a cell that are tuned in one place: none of the base. */
export function localModels(
  config: FederatedConfig,
  { id, way, division: { seed, clients, together } }: FederatedCell,
  folder: StudyFolder,
): LocalModel[] {
  const out = folder.run(id);
  if (way === "central") return [{ runs: localRuns(config, together, seed, out) }];
  if (way !== "alone") return [];
  return clients.map(({ client, data }) => ({
    client,
    runs: localRuns(config, data, seed, join(out, client)),
  }));
}

/** The models that a cell ended with: none of the base, and one for each client that tuned alone. */
export function modelsOf(config: FederatedConfig, cell: FederatedCell, folder: StudyFolder): CellModel[] {
  if (cell.exchange) return [{ id: cell.id, adapter: join(folder.run(cell.id), "adapter") }];
  return localModels(config, cell, folder).map(({ client, runs }) => ({
    id: client === undefined ? cell.id : `${cell.id}/${client}`,
    adapter: join(runs.at(-1)!.out, "adapter"),
  }));
}
