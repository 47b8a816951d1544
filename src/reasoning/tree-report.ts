/** @file The trees of searches as a report shows them: nested lists, which need no script and can be printed. */

import { countOf, formatNumber } from "../reporting/format.ts";
import { type Html, html } from "../reporting/html.ts";
import { type Block, code, note, onPage, paragraph } from "../reporting/sections.ts";
import { showTree } from "../search/show-tree.ts";
import { childrenOf, pathTo, type SearchNode, type SearchTree } from "../search/tree.ts";
import { chooseShown, type SolvedProblem } from "./analysis.ts";
import { splitBudget } from "./strategies/arguments.ts";

/** Of a forest; the others are counted. */
const shownTrees = 2;
/** Steps after a node that led to nothing; the others are counted. */
const shownLeaves = 3;

/** For the page on which the trees are. */
export const treeStyle = html`
<style>
.tree { margin: .6rem 0; font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.tree ul { max-width: none; margin: 0; padding: 0; list-style: none; }
.tree li { position: relative; padding: .15rem 0 .15rem 1.1rem; }
.tree li::before { content: ""; position: absolute; left: .15rem; top: 0; bottom: 0; border-left: 1px solid #9a9a9a; }
.tree li:last-child::before { bottom: auto; height: .95rem; }
.tree li::after { content: ""; position: absolute; left: .15rem; top: .95rem; width: .7rem; border-top: 1px solid #9a9a9a; }
.tree b {
  display: inline-block; width: 2.6rem; margin-right: .4rem; border: 1px solid var(--line); border-radius: 2px;
  text-align: center; font-weight: 400; color: var(--ink);
  background: linear-gradient(to right, var(--better) var(--share), white var(--share));
}
.tree .chosen > span { font-weight: 700; }
</style>`;

type Searched = SolvedProblem & { readonly trees: readonly SearchTree[] };

/** Trees of some problems of a task, each strategy under its largest budget; none if nothing was searched. */
export function treeBlocks(solutions: readonly SolvedProblem[]): Block[] {
  const searched = chooseShown(withLargestBudgets(solutions.filter(isSearched)));
  if (searched.length === 0) return [];
  const ids = [...new Set(searched.map(({ id }) => id))];
  return [
    note(
      "Of the first problems on which the searches differ. Before each step stand its reward, as a bar too, in brackets the order in which it was gone on from, and how often it was drawn. Bold is the path to the answer, which has a star; = is another answer, × a dead end or a step that was cut.",
    ),
    ...ids.flatMap((id, i): Block[] => {
      const rows = searched.filter((one) => one.id === id);
      const { question, gold } = rows[0]!;
      return [
        paragraph(`Problem ${id}: ${question} (${gold})`),
        ...rows.flatMap((row) => showSolution(row, i === 0)),
      ];
    }),
  ];
}

function isSearched(solution: SolvedProblem): solution is Searched {
  return solution.trees !== undefined;
}

function withLargestBudgets(solutions: readonly Searched[]): Searched[] {
  const largest = new Map<string, number>();
  for (const { strategy } of solutions) {
    const { words, budget = Number.POSITIVE_INFINITY } = splitBudget(strategy);
    largest.set(words, Math.max(budget, largest.get(words) ?? 0));
  }
  return solutions.filter(({ strategy }) => {
    const { words, budget = Number.POSITIVE_INFINITY } = splitBudget(strategy);
    return budget === largest.get(words);
  });
}

/** @param isInMarkdown where trees take many lines */
function showSolution(
  { strategy, answer, isRight, computedTokens, trees }: Searched,
  isInMarkdown: boolean,
): Block[] {
  const found = answer === null ? "no answer" : `${answer}, ${isRight ? "right" : "wrong"}`;
  const more = trees.length > shownTrees ? `; ${countOf(trees.length - shownTrees, "more tree")}` : "";
  const told = `: ${found}; ${formatNumber(computedTokens, 0)} tokens${more}`;
  const shown = trees.slice(0, shownTrees);
  return [
    onPage(html`<article><p><b>${strategy}</b>${told}</p>${shown.map(drawTree)}</article>`),
    ...(isInMarkdown
      ? [
          { markdown: paragraph(strategy + told).markdown! },
          ...shown.map((tree) => ({ markdown: code(showTree(tree)).markdown! })),
        ]
      : []),
  ];
}

function drawTree(tree: SearchTree): Html {
  const chosen = new Set(tree.answer === null ? [] : pathTo(tree, tree.answer).map(({ id }) => id));
  const order = new Map(tree.expanded.map((id, i) => [id, i + 1]));
  const drawNode = (node: SearchNode): Html => {
    const place = order.get(node.id);
    const step = html`<span>${mark(node, tree)}${place === undefined ? "" : `[${place}] `}${node.draws > 1 ? `${node.draws}× ` : ""}${node.text || "(end)"}</span>`;
    return html`<li class="${chosen.has(node.id) ? "chosen" : ""}">${drawReward(node)}${step}${drawChildren(node.id)}</li>`;
  };
  const drawChildren = (id: number): Html | undefined => {
    const children = childrenOf(tree, id);
    if (children.length === 0) return undefined;
    const isLeaf = ({ id, state }: SearchNode) => !order.has(id) && state !== "answer";
    const leaves = children.filter(isLeaf).sort((a, b) => (b.reward ?? 0) - (a.reward ?? 0));
    const hidden = new Set(leaves.slice(shownLeaves));
    const rest =
      hidden.size > 0 ? html`<li class="missing">${countOf(hidden.size, "step")} more</li>` : undefined;
    return html`<ul>${children.filter((child) => !hidden.has(child)).map(drawNode)}${rest}</ul>`;
  };
  return html`<div class="tree">${drawChildren(0)}</div>`;
}

function mark({ id, state }: SearchNode, { answer }: SearchTree): string {
  if (id === answer) return "★ ";
  return { answer: "= ", "dead end": "× ", cut: "× ", open: "", expanded: "" }[state];
}

/** Steps after which nothing can follow have none. */
function drawReward({ reward }: SearchNode): Html | undefined {
  if (reward === null) return undefined;
  return html`<b style="--share: ${Math.round(100 * reward)}%">${reward.toFixed(2)}</b>`;
}
