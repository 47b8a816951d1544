/** @file The losses of a cell's models: of what is held out after each round, and of rows tuned on beside others. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { ClientRows } from "../../federation/divide-rows.ts";
import { openHeldOutMeter } from "../../federation/held-out.ts";
import { readJson } from "../../node/files/structured.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part } from "../study-kind.ts";
import type { FederatedCell } from "./cells.ts";
import { localRuns } from "./local-tuning.ts";
import { localModels, modelsOf } from "./models.ts";
import type { FederatedConfig } from "./options.ts";

const losses = z.array(z.number());

const lossesSchema = z.object({
  /** Of each client's held-out rows after each round, from round 0, in nats a token; of a federation its own folder has them. */
  rounds: z.array(z.record(z.string(), z.number())),
  /** Of rows, in nats a token: those that were tuned on, and others. Absent where each client has a model of its own. */
  membership: z.object({ members: losses, others: losses }).exactOptional(),
});
export type Losses = z.output<typeof lossesSchema>;

function lossesPath(folder: StudyFolder, id: string): string {
  return join(folder.run(id), "losses.json");
}

/** Undefined before they are measured. @throws InputError if the file is damaged. */
export function readLosses(folder: StudyFolder, id: string): Losses | undefined {
  const path = lossesPath(folder, id);
  return existsSync(path) ? readJson(path, lossesSchema, "remove it and run the study again") : undefined;
}

export function lossesPart(config: FederatedConfig, cell: FederatedCell, folder: StudyFolder): Part {
  const path = lossesPath(folder, cell.id);
  return {
    name: `${cell.id}: losses`,
    cell: cell.id,
    isIndependent: true,
    isDone: () => existsSync(path),
    async compute({ onProgress }) {
      const found = await measureLosses(config, cell, folder, onProgress);
      makeFolder(folder.run(cell.id));
      writeWhole(path, `${JSON.stringify(found)}\n`);
    },
  };
}

async function measureLosses(
  config: FederatedConfig,
  cell: FederatedCell,
  folder: StudyFolder,
  onProgress: (text: string) => void,
): Promise<Losses> {
  const { division } = cell;
  const options = parseRunConfig(localRuns(config, "DATA", division.seed, "OUT")[0], "The study");
  const rounds: Record<string, number>[] = [];
  for (const { clients, adapters } of adaptersOf(config, cell, folder)) {
    const meter = await openHeldOutMeter(
      options,
      clients.map(({ heldOut }) => heldOut),
    );
    for (const [i, adapter] of adapters.entries()) {
      onProgress(`round ${i} of ${adapters.length - 1}`);
      const losses = await meter.measure(await meter.read(adapter));
      const named = clients.map(({ client }, place) => [client, losses[place]!] as const);
      rounds[i] = { ...rounds[i], ...Object.fromEntries(named) };
    }
    await meter.release();
  }
  if (config.membership_rows === 0 || cell.way === "alone") return { rounds };
  onProgress("rows that were tuned on, and others");
  const meter = await openHeldOutMeter(options, [division.members, division.others]);
  const [model] = modelsOf(config, cell, folder);
  const [members, others] = await meter.measureRows(await meter.read(model?.adapter));
  await meter.release();
  return { rounds, membership: { members: members!, others: others! } };
}

interface RoundAdapters {
  /** On whose held-out rows they are measured. */
  readonly clients: readonly ClientRows[];
  /** Of each round, from round 0; undefined is the model as it was. */
  readonly adapters: readonly (string | undefined)[];
}

/** None of a federation, which has measured them itself when its rounds ended. */
function adaptersOf(config: FederatedConfig, cell: FederatedCell, folder: StudyFolder): RoundAdapters[] {
  const { clients } = cell.division;
  if (cell.way === "base") return [{ clients, adapters: [undefined] }];
  return localModels(config, cell, folder).map(({ client, runs }) => ({
    clients: client === undefined ? clients : clients.filter((one) => one.client === client),
    adapters: [undefined, ...runs.map(({ out }) => join(out, "adapter"))],
  }));
}
