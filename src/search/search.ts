/** @file Search over the steps of solutions, guided by rewards of steps (MindStar, Kang et al. 2024, arXiv 2405.16265, algorithm 1). */

import { InputError } from "../core/errors.ts";
import { levin, type NodeSelection } from "./selection.ts";
import { leastReward, pathTo, plantTree, type SearchNode, type SearchTree } from "./tree.ts";

/** A step that was drawn. */
export interface DrawnStep {
  readonly text: string;
  /** Tokens that were written for it. */
  readonly tokens: number;
  /** "end": the text is over with it; "cut": it is not whole for want of tokens, so that nothing can follow it. Default: it goes on. */
  readonly ending?: "end" | "cut";
}

export interface ScoredStep {
  /** From 0 to 1. */
  readonly reward: number;
  /** Tokens that were computed for it. */
  readonly tokens: number;
}

export interface SearchOptions {
  /**
   * Draws steps that go on from a path.
   *
   * @param path the steps so far, empty at the root
   * @param firstDraw the number of the first of them among all of the search, from 0
   */
  expand(path: readonly string[], draws: number, firstDraw: number): Promise<readonly DrawnStep[]>;
  /** How good a step is after a path. Steps drawn alike are scored once. */
  score(path: readonly string[], step: string): Promise<ScoredStep>;
  /** Whether a path gives a complete answer with its last step. */
  isAnswer(path: readonly string[], last: DrawnStep): boolean;
  /** Which node is expanded next. Default: Levin tree search. */
  readonly selection?: NodeSelection;
  /** Steps that are drawn after each node. Default 4. */
  readonly children?: number;
  /** Independent trees, each with draws of its own, which share the budget. Default 1. */
  readonly trees?: number;
  /** The most steps of a path; one of so many without an answer is a dead end. Default 16. */
  readonly maxSteps?: number;
  /** Without it the search ends by itself only. */
  readonly budget?: SearchBudget;
}

/** What may be computed, in tokens: written ones and those of the scorer. */
export interface SearchBudget {
  readonly tokens: number;
  /** The most that so many draws after a path can take, scores included. An expansion that might exceed the budget has fewer draws. */
  mostTokens(path: readonly string[], draws: number): number;
}

export interface SearchResult {
  readonly trees: readonly SearchTree[];
  /** All that were computed. */
  readonly tokens: { readonly written: number; readonly scored: number };
}

/**
 * Grows trees of steps: the node that the selection takes is expanded by steps drawn after it, each with a reward, until the node that
 * is taken is a complete answer. Where MindStar's algorithm 1 would then give back a node that is too deep, the search passes over
 * it. All nodes that are taken at a time, in all trees, are expanded together. A step without text, as where a text has ended
 * behind its last line, has the reward of its parent.
 *
 * @throws InputError if a number is none that it could be, the budget is too small for a single step, or a reward is not between 0 and 1.
 *
 * @example
 * const { levin, search } = await import("slimtune");
 * // Counts to 3, and is wrong at every second draw.
 * const { trees } = await search({
 *   expand: async (path, draws) =>
 *     Array.from({ length: draws }, (_, i) => ({ text: String(path.length + 1 + (i % 2)), tokens: 1 })),
 *   score: async (path, step) => ({ reward: Number(step) === path.length + 1 ? 0.9 : 0.1, tokens: 1 }),
 *   isAnswer: (path) => path.at(-1) === "3",
 *   selection: levin(),
 * });
 * console.log(trees[0]!.expanded.length); // 3
 */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const { selection = levin(), children = 4, trees: count = 1, maxSteps = 16, budget } = options;
  checkNumbers({ children, trees: count, maxSteps, width: selection.width, budget: budget?.tokens ?? 1 });
  const growing = Array.from({ length: count }, (): Growing => {
    const tree = plantTree();
    return { tree, frontier: [...tree.nodes] };
  });
  const tokens = { written: 0, scored: 0 };
  let drawn = 0;
  for (;;) {
    const taken = growing.flatMap((one) => takeNodes(one, selection).map((node) => ({ ...one, node })));
    if (taken.length === 0) break;
    const paths = taken.map(({ tree, node }) => pathTo(tree, node.id).map(({ text }) => text));
    const mostTokens = (draws: number) =>
      budget ? paths.reduce((sum, path) => sum + budget.mostTokens(path, draws), 0) : 0;
    const left = budget ? budget.tokens - tokens.written - tokens.scored : 0;
    let draws = children;
    while (draws > 0 && mostTokens(draws) > left) draws--;
    if (draws === 0) {
      if (drawn === 0) throw tooSmall(budget!.tokens, count, mostTokens(1));
      for (const { tree, frontier, node } of taken) {
        tree.end = "budget";
        frontier.push(node);
      }
      break;
    }
    const grown = await Promise.all(
      taken.map(({ node }, i) => grow(node, paths[i]!, draws, drawn + i * draws, { ...options, maxSteps })),
    );
    drawn += taken.length * draws;
    for (const [i, { tree, frontier, node }] of taken.entries()) {
      node.state = "expanded";
      tree.expanded.push(node.id);
      for (const child of grown[i]!) {
        const placed: SearchNode = { id: tree.nodes.length, ...child };
        tree.nodes.push(placed);
        if (placed.state === "open" || placed.state === "answer") frontier.push(placed);
        tokens.written += placed.writtenTokens;
        tokens.scored += placed.scoredTokens;
      }
    }
  }
  for (const { tree, frontier } of growing) {
    if (tree.end !== "budget") continue;
    const answers = frontier.filter(({ state }) => state === "answer");
    tree.answer = inOrder(answers, selection)[0]?.id ?? null;
  }
  return { trees: growing.map(({ tree }) => tree), tokens };
}

interface Growing {
  readonly tree: SearchTree;
  /** Nodes that may be taken: open ones and answers. */
  readonly frontier: SearchNode[];
}

/** Takes the nodes to expand from a tree's frontier; none if the tree is done, which is then said in it. */
function takeNodes({ tree, frontier }: Growing, selection: NodeSelection): SearchNode[] {
  const ordered = inOrder(frontier.splice(0), selection);
  const [best] = ordered;
  if (best?.state === "answer") {
    tree.answer = best.id;
    tree.end = "answer";
    return [];
  }
  const taken = ordered.slice(0, selection.width);
  frontier.push(...taken.filter(({ state }) => state === "answer"));
  if (selection.goesBack) frontier.push(...ordered.slice(selection.width));
  return taken.filter(({ state }) => state === "open");
}

function inOrder(nodes: readonly SearchNode[], { cost }: NodeSelection): SearchNode[] {
  return [...nodes].sort((a, b) => cost(a) - cost(b) || a.id - b.id);
}

/** The steps after a node, those drawn alike together. */
async function grow(
  node: SearchNode,
  path: readonly string[],
  draws: number,
  firstDraw: number,
  { expand, score, isAnswer, maxSteps }: SearchOptions & { readonly maxSteps: number },
): Promise<Omit<SearchNode, "id">[]> {
  const merged = mergeAlike(await expand(path, draws, firstDraw));
  return Promise.all(
    merged.map(async ({ step, draws, tokens }) => {
      const { text, ending } = step;
      const { id: parent, depth, reward, logProduct } = node;
      const child = { parent, depth: depth + 1, text, draws, writtenTokens: tokens, scoredTokens: 0 };
      if (ending === "cut") return { ...child, reward: null, logProduct, state: "cut" as const };
      const state = isAnswer([...path, text], step) ? ("answer" as const) : ("open" as const);
      if (state === "open" && (ending === "end" || child.depth === maxSteps)) {
        return { ...child, reward: null, logProduct, state: "dead end" as const };
      }
      if (text === "") return { ...child, reward, logProduct, state };
      const scored = await score(path, text);
      if (!(scored.reward >= 0 && scored.reward <= 1)) {
        throw new InputError(
          `The reward of the step ${JSON.stringify(text)} is ${scored.reward}; a scorer must give one from 0 to 1.`,
        );
      }
      return {
        ...child,
        reward: scored.reward,
        logProduct: logProduct + Math.log(Math.max(scored.reward, leastReward)),
        scoredTokens: scored.tokens,
        state,
      };
    }),
  );
}

/** Steps of the same text and ending, with the tokens of all of them. */
function mergeAlike(steps: readonly DrawnStep[]): { step: DrawnStep; draws: number; tokens: number }[] {
  const merged: { step: DrawnStep; draws: number; tokens: number }[] = [];
  for (const step of steps) {
    const alike = merged.find((one) => one.step.text === step.text && one.step.ending === step.ending);
    if (alike) {
      alike.draws++;
      alike.tokens += step.tokens;
    } else {
      merged.push({ step, draws: 1, tokens: step.tokens });
    }
  }
  return merged;
}

function checkNumbers(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new InputError(`A search cannot have ${name}: ${value}; take a whole number from 1 on.`);
  }
}

function tooSmall(tokens: number, trees: number, needed: number): InputError {
  const step = trees === 1 ? "one step, which" : `a step of each of ${trees} trees, which`;
  return new InputError(
    `A budget of ${tokens} tokens is too small for ${step} may take ${needed}; give more, or allow shorter steps.`,
  );
}
