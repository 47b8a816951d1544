/** @file A tree of steps as text for a terminal. */

import { childrenOf, pathTo, type SearchNode, type SearchTree } from "./tree.ts";

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
  const lines = [`. [1]`];
  const show = (node: SearchNode, indent: string, isLast: boolean) => {
    const place = order.get(node.id);
    const parts = [
      chosen.has(node.id) ? "*" : marks[node.state],
      node.reward?.toFixed(2) ?? "",
      place === undefined ? "" : `[${place}]`,
      node.draws > 1 ? `${node.draws}×` : "",
      node.text === "" ? "(end)" : node.text,
    ];
    const line = `${indent}${isLast ? "└ " : "├ "}${parts.filter((part) => part !== "").join(" ")}`;
    lines.push(line.length <= width ? line : `${line.slice(0, width - 1)}…`);
    showChildren(node, indent + (isLast ? "  " : "│ "));
  };
  const showChildren = ({ id }: SearchNode, indent: string) => {
    const children = childrenOf(tree, id);
    for (const [i, child] of children.entries()) show(child, indent, i === children.length - 1);
  };
  showChildren(tree.nodes[0]!, "");
  return lines.join("\n");
}
