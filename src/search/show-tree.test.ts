import { expect, test } from "vitest";
import { search } from "./search.ts";
import { showTree } from "./show-tree.ts";

test("a tree is shown with rewards, draws, the order of expansion and what became of each node", async () => {
  const steps = [
    ["3 + 4 = 7", "3 + 4 = 8, or is it 9", "3 + 4 = 7"],
    ["#### 7", "", "and so on and on"],
  ];
  const { trees } = await search({
    expand: async (path) =>
      steps[path.length]!.map((text) => ({ text, tokens: 5, ...(path.length === 1 && { ending: "end" }) })),
    score: async (_, step) => ({ reward: step.endsWith("7") ? 0.9 : 0.25, tokens: 1 }),
    isAnswer: (path) => path.length === 2 && path[1] !== "and so on and on",
    children: 3,
  });
  expect(showTree(trees[0]!, { width: 25 })).toBe(
    [
      ". [1]",
      "├ * 0.90 [2] 2× 3 + 4 = 7",
      "│ ├ = 0.90 #### 7",
      "│ ├ * 0.90 (end)",
      "│ └ x and so on and on",
      "└ 0.25 3 + 4 = 8, or is …",
    ].join("\n"),
  );
});
