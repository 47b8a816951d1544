/** @file Which node of a tree is expanded next. */

import type { SearchNode } from "./tree.ts";

/** The nodes of least cost are taken; of equal ones those that were there first. */
export interface NodeSelection {
  readonly name: string;
  cost(node: Pick<SearchNode, "depth" | "logProduct">): number;
  /** How many are taken at a time. */
  readonly width: number;
  /** Whether nodes that were not taken may be taken later. */
  readonly goesBack: boolean;
}

/**
 * Level by level: of the steps that were drawn last only the `width` with the highest product of rewards are gone on from, and never
 * an earlier one. Complete answers among them stay there until one is the best.
 *
 * @param width default 1
 * @example
 * const { beam } = await import("slimtune");
 * console.log(beam(4).goesBack); // false
 */
export function beam(width = 1): NodeSelection {
  return { name: "beam", cost: ({ logProduct }) => -logProduct, width, goesBack: false };
}

/**
 * Levin tree search: of all open nodes that with the least depth / product of rewards, where the root's depth is 1. If the rewards
 * of each node's children sum to 1 at most, no more nodes are expanded than that quotient of the answer.
 *
 * @example
 * const { levin } = await import("slimtune");
 * console.log(levin().cost({ depth: 1, logProduct: Math.log(0.5) })); // ln 4
 */
export function levin(): NodeSelection {
  return {
    name: "levin",
    cost: ({ depth, logProduct }) => Math.log(depth + 1) - logProduct,
    width: 1,
    goesBack: true,
  };
}
