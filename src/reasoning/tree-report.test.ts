import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { chromium, openPage } from "../reporting/headless-browser.fixture.ts";
import { renderMarkdown } from "../reporting/markdown.ts";
import { renderPage } from "../reporting/page.ts";
import type { Report } from "../reporting/sections.ts";
import { writeReport } from "../reporting/write-report.ts";
import { plantTree, type SearchNode, type SearchTree } from "../search/tree.ts";
import type { SolvedProblem } from "./analysis.ts";
import { createMeter } from "./meter.ts";
import { treeBlocks, treeStyle } from "./tree-report.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-trees-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A tree of steps under their parents, of which one is the answer. */
function grow(
  steps: readonly [parent: number, text: string, more?: Partial<SearchNode>][],
  answer: number,
): SearchTree {
  const tree = plantTree();
  for (const [parent, text, more] of steps) {
    const depth = tree.nodes[parent]!.depth + 1;
    tree.nodes.push({
      ...{ id: tree.nodes.length, parent, depth, text, reward: 0.5, logProduct: 0, draws: 1 },
      ...{ writtenTokens: 5, scoredTokens: 5, state: "open", ...more },
    });
  }
  tree.expanded.push(0, ...new Set(steps.map(([parent]) => parent).filter((id) => id > 0)));
  return { ...tree, answer };
}

const tree = grow(
  [
    [0, "3 + 4 = 7 <b>", { reward: 0.9, draws: 2, state: "expanded" }],
    [0, "3 + 4 = 8", { reward: 0.25 }],
    [1, "7 - 2 = 5", { reward: 0.8, state: "answer" }],
    [1, "7 - 2 = 6", { state: "answer" }],
    ...Array.from({ length: 5 }, (_, i): [number, string, object] => [1, `leaf ${i}`, { reward: i / 10 }]),
    [1, "and so on", { reward: null, state: "cut" }],
  ],
  3,
);

const solved = (
  strategy: string,
  id: string,
  isRight: boolean,
  trees?: readonly SearchTree[],
): SolvedProblem => ({
  ...{
    strategy,
    task: "sums",
    id,
    question: "What is 3 + 4 - 2?",
    gold: "5",
    steps: 2,
    answer: "5",
    isRight,
  },
  ...{
    isCut: false,
    text: "",
    target: null,
    details: {},
    usage: createMeter(),
    computedTokens: 120,
    trace: [],
  },
  ...(trees && { trees }),
});
const reportOf = (solutions: readonly SolvedProblem[]): Report => ({
  ...{ title: "Trees", about: "Of a test.", answer: [] },
  sections: [{ id: "trees", title: "Trees", blocks: treeBlocks(solutions) }],
  style: treeStyle,
});
const solutions = [
  ...["0", "1", "2", "3"].flatMap((id) => [
    solved("sc:4", id, true),
    solved("mstar-levin:2@100", id, true, [tree]),
    solved("mstar-levin:2@400", id, true, [tree]),
    solved("forest:3:2", id, id !== "2", [tree, tree, tree]),
  ]),
];

test("problems on which searches differ come first, each strategy under its largest budget", () => {
  const page = renderPage(reportOf(solutions));
  const shown = [...page.matchAll(/Problem (\d)/g)].map(([, id]) => id);
  expect(shown).toEqual(["2", "0", "1"]);
  expect(page).not.toContain("mstar-levin:2@100");
  expect(page).toContain("<b>forest:3:2</b>: 5, wrong; 120 tokens; 1 more tree");
  expect(treeBlocks([solved("sc:4", "0", true)])).toEqual([]);
});

test("a tree has its rewards, its order, the path to the answer, and the best of what led to nothing", () => {
  const page = renderPage(reportOf([solved("mstar-levin:2", "0", true, [tree])]));
  const items = [
    ...page.matchAll(/<li class="(chosen|missing|)">(?:<b[^>]*>([^<]*)<\/b>)?(?:<span>)?([^<]*)/g),
  ];
  expect(items.map(([, kind, reward, text]) => [kind, reward, text])).toEqual([
    ["chosen", "0.90", "[2] 2× 3 + 4 = 7 &lt;b&gt;"],
    ["chosen", "0.80", "★ 7 - 2 = 5"],
    ["", "0.50", "= 7 - 2 = 6"],
    ["", "0.20", "leaf 2"],
    ["", "0.30", "leaf 3"],
    ["", "0.40", "leaf 4"],
    ["missing", undefined, "3 steps more"],
    ["", "0.25", "3 + 4 = 8"],
  ]);
  expect(page).toContain('<b style="--share: 90%">');
  expect(renderMarkdown(reportOf([solved("mstar-levin:2", "0", true, [tree])]))).toContain(
    "├ * 0.80 7 - 2 = 5",
  );
});

test("a browser shows it within the page, on a screen and on a phone", async ({ skip }) => {
  skip(chromium === undefined, "there is no browser; on Debian install chromium");
  const deep = grow(
    Array.from({ length: 16 }, (_, i): [number, string, object] => [
      i,
      `step ${i}: ${"so many words ".repeat(12)}`,
      { state: "expanded" },
    ]),
    16,
  );
  const { page: path } = writeReport(scratch, reportOf([...solutions, solved("dvts:4", "0", false, [deep])]));
  const page = await openPage(pathToFileURL(path).href);
  try {
    for (const width of [1280, 390]) {
      await page.resize(width, 900);
      const outside = `[...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length`;
      expect(await page.evaluate(outside)).toBe(0);
      const bar = `getComputedStyle(document.querySelector(".tree b")).backgroundImage`;
      expect(await page.evaluate(bar)).toContain("90%");
    }
  } finally {
    await page.close();
  }
});
