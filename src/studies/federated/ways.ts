/** @file The ways to tune, summed up over clients and seeds, and compared on the same clients' held-out rows. */

import { averageOfSameItems, mean } from "../../statistics/estimates.ts";
import { meanInterval } from "../../statistics/mean-interval.ts";
import type { FederatedConfig } from "./options.ts";
import {
  type FederatedCellResult,
  type FederatedComparison,
  type FederatedRound,
  type FederatedWay,
  heldOutLoss,
} from "./results.ts";

/** A cell that was computed. */
type Computed = FederatedCellResult & { readonly rounds: readonly FederatedRound[] };

function isComputed(cell: FederatedCellResult): cell is Computed {
  return cell.rounds !== undefined;
}

/** Cells of the same way and partition, in the order in which they come first. */
function groupCells(cells: readonly FederatedCellResult[]): Computed[][] {
  const groups = new Map<string, Computed[]>();
  for (const cell of cells.filter(isComputed)) {
    const key = JSON.stringify([cell.partition, cell.way]);
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups.values()];
}

export function summarizeWays(
  cells: readonly FederatedCellResult[],
  { target }: Pick<FederatedConfig, "target">,
): FederatedWay[] {
  const computed = cells.filter(isComputed);
  const find = (way: string, { partition, seed }: Computed) =>
    computed.find((cell) => cell.way === way && cell.partition === partition && cell.seed === seed);
  return groupCells(cells).map((group) => {
    const [{ partition, way }] = group as [Computed];
    const base = (cell: Computed) => find("base", cell);
    const curves = group.map(({ rounds }) => rounds.map(meanLoss));
    const tuned = group.flatMap(({ rounds }) => rounds.slice(1));
    const average = (of: (round: FederatedRound) => number) => (tuned.length > 0 ? mean(tuned.map(of)) : 0);
    const errors = group.map(({ rounds }) => rounds.flatMap((round) => round.aggregationError ?? []));
    const memberships = group.flatMap((cell) => {
      const before = base(cell)?.membership;
      return before && cell.membership ? [{ before, after: cell.membership }] : [];
    });
    const finals = group.map(finalLosses);
    return {
      ...{ partition, way, seeds: group.map(({ seed }) => seed) },
      loss: intervalOf(finals.flat()),
      worst: mean(finals.map((losses) => Math.max(...losses))),
      losses: byPlace(curves),
      roundsToTarget: group.map((cell, i) => {
        const central = find("central", cell);
        if (!central) return null;
        const [start, end] = [meanLoss(central.rounds[0]!), meanLoss(central.rounds.at(-1)!)];
        const wanted = start - target * (start - end);
        const round = curves[i]!.findIndex((loss) => loss <= wanted);
        return round < 0 ? null : round;
      }),
      sentBytes: average(({ sentBytes }) => sentBytes),
      receivedBytes: average(({ receivedBytes }) => receivedBytes),
      formulaBytes: {
        up: average(({ formulaBytes }) => formulaBytes.up),
        down: average(({ formulaBytes }) => formulaBytes.down),
      },
      multiplyAdds: average(({ multiplyAdds }) => multiplyAdds),
      aggregationErrors: byPlace(errors),
      ...(memberships.length > 0 && {
        membership: {
          before: averageOfSameItems(memberships.map(({ before }) => before)),
          after: averageOfSameItems(memberships.map(({ after }) => after)),
        },
      }),
      scores: averageScores(group),
    };
  });
}

/** Each way's final losses less those of each before it, client by client. */
export function compareWays(cells: readonly FederatedCellResult[]): FederatedComparison[] {
  const groups = groupCells(cells);
  return groups.flatMap((group, i) =>
    groups.slice(0, i).flatMap((other): FederatedComparison[] => {
      const [{ partition, way }] = group as [Computed];
      const [against] = other as [Computed];
      if (against.partition !== partition) return [];
      const differences = group.flatMap((cell) => {
        const before = other.find(({ seed }) => seed === cell.seed)?.rounds.at(-1)?.heldOutLoss;
        return Object.entries(cell.rounds.at(-1)!.heldOutLoss).flatMap(([client, loss]) =>
          before ? [loss - before[client]!] : [],
        );
      });
      if (differences.length < 2) return [];
      return [
        { partition, way, against: against.way, quantity: heldOutLoss, difference: intervalOf(differences) },
      ];
    }),
  );
}

function averageScores(group: readonly Computed[]): FederatedWay["scores"] {
  const tasks = Object.keys(group[0]!.scores ?? {});
  return Object.fromEntries(
    tasks.map((task) => {
      const ofSeeds = group.flatMap(({ scores }) => scores?.[task] ?? []);
      return [
        task,
        {
          score: averageOfSameItems(ofSeeds.map(({ score }) => score)),
          difference: averageOfSameItems(ofSeeds.map(({ difference }) => difference)),
        },
      ];
    }),
  );
}

/** Each client counts alike. */
function meanLoss({ heldOutLoss }: FederatedRound): number {
  return mean(Object.values(heldOutLoss));
}

function finalLosses({ rounds }: Computed): number[] {
  return Object.values(rounds.at(-1)!.heldOutLoss);
}

function intervalOf(values: readonly number[]) {
  const { value, low, high } = meanInterval(values);
  return { value, low, high };
}

/** Means of the first, the second, and so on. */
function byPlace(lists: readonly (readonly number[])[]): number[] {
  return (lists[0] ?? []).map((_, i) => mean(lists.map((list) => list[i]!)));
}
