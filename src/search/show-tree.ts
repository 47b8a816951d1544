/** @file A tree of steps as text for a terminal. */

import { pathTo, type SearchNode, type SearchTree } from "./tree.ts";

export interface ShowOptions {
  /** The most characters of a line. Default 100. */
  readonly width?: number;
}

/**
 * A tree as indented lines: each step with its reward and, in brackets, the place of its expansion in their order. The path to the
 * answer is marked by stars, other answers by "=", dead ends and steps that were cut by "x".
 *
 * @example
 * const { search, showTree } = await import("slimtune");
 * const { trees } = await search({
 *   expand: async (path) => [{ text: path.length === 0 ? "3 + 4 = 7" : "#### 7", tokens: 5 }],
 *   score: async () => ({ reward: 0.9, tokens: 5 }),
 *   isAnswer: (path) => path.at(-1)!.startsWith("####"),
 * });
 * console.log(showTree(trees[0]!));
 */
export function showTree(tree: SearchTree, { width = 100 }: ShowOptions = {}): string {
  const marks = { answer: "=", "dead end": "x", cut: "x", open: "", expanded: "" };
  const chosen = new Set(tree.answer === null ? [] : pathTo(tree, tree.answer).map(({ id }) => id));
  const order = new Map(tree.expanded.map((id, i) => [id, i + 1]));
  const children = new Map<number | null, SearchNode[]>();
  for (const node of tree.nodes) {
    const siblings = children.get(node.parent);
    if (siblings) siblings.push(node);
    else children.set(node.parent, [node]);
  }
  const lines = [". [1]"];
  const open = listBranches(children.get(0), "");
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, indent, isLast } = next;
    const place = order.get(node.id);
    const parts = [
      chosen.has(node.id) ? "*" : marks[node.state],
      node.reward?.toFixed(2) ?? "",
      place === undefined ? "" : `[${place}]`,
      node.draws > 1 ? `${node.draws}×` : "",
      node.text === "" ? "(end)" : node.text.trim(),
    ];
    const line = `${indent}${isLast ? "└ " : "├ "}${parts.filter((part) => part !== "").join(" ")}`;
    lines.push(line.length <= width ? line : `${line.slice(0, width - 1)}…`);
    open.push(...listBranches(children.get(node.id), indent + (isLast ? "  " : "│ ")));
  }
  return lines.join("\n");
}

/** The first one last. */
function listBranches(nodes: readonly SearchNode[] = [], indent: string) {
  return nodes.map((node, i) => ({ node, indent, isLast: i === nodes.length - 1 })).reverse();
}
