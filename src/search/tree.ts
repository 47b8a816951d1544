/** @file A tree of solution steps, as plain data that JSON holds whole. */

import { z } from "zod";

const nodeSchema = z.object({
  /** Its place among the tree's nodes; the root is 0. */
  id: z.int().min(0),
  /** Null of the root. */
  parent: z.int().min(0).nullable(),
  /** Steps from the root to it. */
  depth: z.int().min(0),
  /** The step; empty for the root, and where a text has ended behind its last line. */
  text: z.string(),
  /** How good the step is, from 0 to 1. Null of the root, and of what nothing can follow, which is not scored. */
  reward: z.number().nullable(),
  /** Logarithm of the product of the rewards on the path from the root, each of which counts as 1e-6 at least. */
  logProduct: z.number(),
  /** How many of its parent's draws gave this step. */
  draws: z.int().min(0),
  /** Tokens that were written for it, in all of these draws. */
  writtenTokens: z.number(),
  /** Tokens that were computed to score it. */
  scoredTokens: z.number(),
  /**
   * Nothing follows a dead end, and it gives no answer: the text ends without one, or it is as deep as nodes may be. Neither does
   * anything follow a step that was cut for want of tokens.
   */
  state: z.enum(["open", "expanded", "answer", "dead end", "cut"]),
});

export type SearchNode = z.output<typeof nodeSchema>;

export const searchTreeSchema = z
  .object({
    nodes: z.array(nodeSchema).min(1),
    /** Nodes in the order in which they were expanded; those of a level together. */
    expanded: z.array(z.int().min(0)),
    /** The node with which the search ended; null if no complete answer was there to choose. */
    answer: z.int().min(0).nullable(),
    /** "answer": the node to take next was one; "exhausted": there was no node left to take; "budget": it allowed no further step. */
    end: z.enum(["answer", "exhausted", "budget"]),
  })
  .refine(isTree, "it is no tree: a node does not stand behind its parent; restore the file.");

/** A tree of steps, and how it was grown. */
export type SearchTree = z.output<typeof searchTreeSchema>;

function isTree({ nodes, answer }: { nodes: SearchNode[]; answer: number | null }): boolean {
  return (
    nodes.every(
      ({ id, parent }, i) => id === i && (i === 0 ? parent === null : parent !== null && parent < i),
    ) &&
    (answer === null || answer < nodes.length)
  );
}

/** Below it no reward counts. */
export const leastReward = 1e-6;

export function plantTree(): SearchTree {
  const root: SearchNode = {
    ...{ id: 0, parent: null, depth: 0, text: "", reward: null, logProduct: 0 },
    ...{ draws: 0, writtenTokens: 0, scoredTokens: 0, state: "open" },
  };
  return { nodes: [root], expanded: [], answer: null, end: "exhausted" };
}

/**
 * The nodes from the first step to a node, without the root.
 *
 * @example
 * const { pathTo, search } = await import("slimtune");
 * const { trees } = await search({
 *   expand: async (path) => [{ text: `step ${path.length + 1}`, tokens: 2 }],
 *   score: async () => ({ reward: 0.5, tokens: 1 }),
 *   isAnswer: (path) => path.length === 3,
 * });
 * console.log(pathTo(trees[0]!, trees[0]!.answer!).map(({ text }) => text)); // [ 'step 1', 'step 2', 'step 3' ]
 */
export function pathTo(tree: SearchTree, id: number): SearchNode[] {
  const path: SearchNode[] = [];
  for (let node = tree.nodes[id]!; node.parent !== null; node = tree.nodes[node.parent]!) path.unshift(node);
  return path;
}

/** The nodes that an expansion has brought. */
export function childrenOf(tree: SearchTree, id: number): SearchNode[] {
  return tree.nodes.filter(({ parent }) => parent === id);
}
