import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { type DrawnStep, type SearchOptions, search } from "./search.ts";
import { beam, levin, type NodeSelection } from "./selection.ts";
import { childrenOf, pathTo, type SearchTree } from "./tree.ts";

/** A step with its reward, and what follows it; "answer" and "end" are last steps with and without an answer. */
interface Given {
  readonly reward: number;
  readonly next: Readonly<Record<string, Given>> | "answer" | "end";
}
const step = (reward: number, next: Given["next"]): Given => ({ reward, next });

/** Searches a given tree, whose children are drawn one after the other, and from the first again. */
function searchGiven(root: Given["next"], options: Partial<SearchOptions> = {}) {
  const at = (path: readonly string[]) => {
    let next = root;
    for (const text of path) next = (next as Record<string, Given>)[text]!.next;
    return next;
  };
  return search({
    async expand(path, draws) {
      const children = Object.entries(at(path));
      return Array.from({ length: draws }, (_, i): DrawnStep => {
        const [text, { next }] = children[i % children.length]!;
        return { text, tokens: 3, ...(typeof next === "string" && { ending: "end" }) };
      });
    },
    async score(path, text) {
      return { reward: (at(path) as Record<string, Given>)[text]!.reward, tokens: 2 };
    },
    isAnswer: (path) => at(path) === "answer",
    children: 2,
    ...options,
  });
}

const textOf = (tree: SearchTree, id: number) =>
  pathTo(tree, id)
    .map(({ text }) => text)
    .join("");
const expandedOf = (tree: SearchTree) => tree.expanded.map((id) => textOf(tree, id));
const answerOf = (tree: SearchTree) => (tree.answer === null ? null : textOf(tree, tree.answer));

/** A is the best first step, but leads nowhere good. */
const trap = {
  a: step(0.9, { a: step(0.2, { a: step(0.9, "answer"), b: step(0.1, "answer") }), b: step(0.1, "answer") }),
  b: step(0.6, { a: step(0.9, "answer"), b: step(0.5, { a: step(1, "answer") }) }),
};

describe("the order of expansion", () => {
  test("Levin tree search goes back", async () => {
    const { trees } = await searchGiven(trap, { selection: levin() });
    // Depth / product: a 2 / 0.9 = 2.2, b 2 / 0.6 = 3.3; then aa 3 / 0.18 = 16.7, ab 33.3; ba 3 / 0.54 = 5.6, the answer; bb 10.
    expect(expandedOf(trees[0]!)).toEqual(["", "a", "b"]);
    expect(answerOf(trees[0]!)).toBe("ba");
    expect(trees[0]!.end).toBe("answer");
  });

  test("a beam of one does not", async () => {
    const { trees, tokens } = await searchGiven(trap, { selection: beam() });
    expect(expandedOf(trees[0]!)).toEqual(["", "a", "aa"]);
    expect(answerOf(trees[0]!)).toBe("aaa");
    expect(tokens).toEqual({ written: 3 * 2 * 3, scored: 3 * 2 * 2 });
  });

  test("a beam of two goes on from the two best of a level, by their products", async () => {
    const { trees } = await searchGiven(trap, { selection: beam(2) });
    // Products of the second level: aa 0.18, ab 0.09, ba 0.54, bb 0.3; ba is the best, and an answer.
    expect(expandedOf(trees[0]!)).toEqual(["", "a", "b"]);
    expect(answerOf(trees[0]!)).toBe("ba");
  });

  test("an answer stays in the beam until it is the best", async () => {
    const { trees } = await searchGiven(
      {
        a: step(0.5, "answer"),
        b: step(0.8, { a: step(0.5, { a: step(1, "answer") }), b: step(0.1, "end") }),
        c: step(0.4, "answer"),
      },
      { selection: beam(2), children: 3 },
    );
    expect(expandedOf(trees[0]!)).toEqual(["", "b"]);
    expect(answerOf(trees[0]!)).toBe("a");
  });

  test("of equal costs the first is taken, also where rewards are 0", async () => {
    const zero = { a: step(0, { a: step(0, "answer") }), b: step(0, { a: step(0, "answer") }) };
    const { trees } = await searchGiven(zero, { children: 2 });
    expect(expandedOf(trees[0]!)).toEqual(["", "a", "b"]);
    expect(answerOf(trees[0]!)).toBe("aa");
    expect(trees[0]!.nodes[1]).toMatchObject({ reward: 0, logProduct: Math.log(1e-6) });
  });

  test("trees of a forest have draws of their own, and grow level by level together", async () => {
    const asked: [string, number, number][] = [];
    const { trees } = await search({
      async expand(path, draws, firstDraw) {
        asked.push([path.join(" "), draws, firstDraw]);
        return Array.from({ length: draws }, (_, i) => ({ text: String(firstDraw + i), tokens: 1 }));
      },
      score: async (_, text) => ({ reward: 1 / (1 + Number(text)), tokens: 0 }),
      isAnswer: (path) => path.length === 2,
      selection: beam(),
      children: 2,
      trees: 3,
    });
    expect(asked).toEqual([
      ...[
        ["", 2, 0],
        ["", 2, 2],
        ["", 2, 4],
      ],
      ...[
        ["0", 2, 6],
        ["2", 2, 8],
        ["4", 2, 10],
      ],
    ]);
    expect(trees.map((tree) => pathTo(tree, tree.answer!).map(({ text }) => text))).toEqual([
      ["0", "6"],
      ["2", "8"],
      ["4", "10"],
    ]);
  });
});

test("steps drawn alike are one node, with all their draws and tokens, and scored once", async () => {
  const scored: string[] = [];
  const { trees, tokens } = await search({
    expand: async () => [
      { text: "7", tokens: 4 },
      { text: "8", tokens: 5 },
      { text: "7", tokens: 6 },
      { text: "7", tokens: 1, ending: "end" },
      { text: "7", tokens: 2, ending: "cut" },
    ],
    async score(_, text) {
      scored.push(text);
      return { reward: 0.5, tokens: 10 };
    },
    isAnswer: () => true,
  });
  expect(
    childrenOf(trees[0]!, 0).map(({ text, draws, writtenTokens }) => [text, draws, writtenTokens]),
  ).toEqual([
    ["7", 2, 10],
    ["8", 1, 5],
    ["7", 1, 1],
    ["7", 1, 2],
  ]);
  expect(trees[0]!.nodes.at(-1)).toMatchObject({ state: "cut", reward: null });
  expect(scored).toEqual(["7", "8", "7"]);
  expect(tokens).toEqual({ written: 18, scored: 30 });
});

test("a text that has ended behind its last line has that line's reward", async () => {
  const { trees } = await search({
    expand: async (path) => [
      path.length === 0 ? { text: "#### 7", tokens: 1 } : { text: "", tokens: 1, ending: "end" },
    ],
    score: async () => ({ reward: 0.25, tokens: 1 }),
    isAnswer: (_, { ending }) => ending === "end",
  });
  expect(trees[0]!.nodes[2]).toMatchObject({
    ...{ text: "", reward: 0.25, logProduct: Math.log(0.25), scoredTokens: 0, state: "answer" },
  });
});

test("a path that gets too deep is a dead end, and without another the search is exhausted", async () => {
  const endless: Record<string, Given> = {};
  endless.a = step(0.9, endless);
  for (const selection of [beam(), levin()]) {
    const { trees } = await searchGiven(endless, { selection, maxSteps: 3 });
    expect(trees[0]).toMatchObject({ answer: null, end: "exhausted", expanded: [0, 1, 2] });
    expect(trees[0]!.nodes.map(({ state }) => state)).toEqual([
      ...["expanded", "expanded", "expanded", "dead end"],
    ]);
  }
  const { trees } = await searchGiven({ a: step(0.9, endless), b: step(0.1, "answer") }, { maxSteps: 3 });
  expect(answerOf(trees[0]!)).toBe("b");
});

describe("a budget", () => {
  /** A draw takes 3 tokens and a score 2, if the step is no dead end. */
  const costs = { mostTokens: (_: unknown, draws: number) => 5 * draws };

  test("is never exceeded: the last expansions have fewer draws, and an answer that is there counts", async () => {
    const unlucky = {
      a: step(0.9, { a: step(0.9, { a: step(0.9, { a: step(0.9, "answer") }) }) }),
      b: step(0.01, "answer"),
    };
    const within = (tokens: number) => searchGiven(unlucky, { budget: { tokens, ...costs }, children: 3 });
    const { trees, tokens } = await within(28);
    // 3 draws of 2 kinds: 13 tokens; then 3 draws of one kind: 11; 4 are left.
    expect(tokens).toEqual({ written: 18, scored: 6 });
    expect(trees[0]).toMatchObject({ end: "budget", expanded: [0, 1] });
    expect(answerOf(trees[0]!)).toBe("b");
    const more = await within(34);
    // Of 10 that are left a step has 2 draws, which take 8.
    expect(more.tokens).toEqual({ written: 24, scored: 8 });
    expect(more.trees[0]).toMatchObject({ end: "budget", expanded: [0, 1, 3] });
  });

  test("is shared by the trees of a forest", async () => {
    const options = { budget: { tokens: 17, ...costs }, trees: 2, selection: beam() };
    const { trees, tokens } = await searchGiven(trap, options);
    expect(tokens).toEqual({ written: 6, scored: 4 });
    expect(trees.map(({ end, answer }) => [end, answer])).toEqual([
      ["budget", null],
      ["budget", null],
    ]);
  });

  test("that is too small for a step is refused with numbers", async () => {
    await expect(searchGiven(trap, { budget: { tokens: 4, ...costs } })).rejects.toThrow(
      new InputError(
        "A budget of 4 tokens is too small for one step, which may take 5; give more, or allow shorter steps.",
      ),
    );
    await expect(searchGiven(trap, { budget: { tokens: 9, ...costs }, trees: 2 })).rejects.toThrow(
      "A budget of 9 tokens is too small for a step of each of 2 trees, which may take 10",
    );
  });
});

test("rewards and numbers that cannot be are refused", async () => {
  await expect(searchGiven({ a: step(1.5, "answer") })).rejects.toThrow(
    'The reward of the step "a" is 1.5; a scorer must give one from 0 to 1.',
  );
  await expect(searchGiven(trap, { children: 0 })).rejects.toThrow(
    "A search cannot have children: 0; take a whole number from 1 on.",
  );
});

describe("of all trees", () => {
  /** Rewards of siblings sum to 1, as a policy's; each has an answer somewhere. */
  const policy = fc.letrec<{ node: Record<string, Given> }>((tie) => ({
    node: fc
      .array(
        fc.record({
          weight: fc.integer({ min: 1, max: 20 }),
          next: fc.oneof(
            { depthSize: "small", withCrossShrink: true },
            fc.constantFrom("answer", "end"),
            tie("node"),
          ),
        }),
        { minLength: 1, maxLength: 3 },
      )
      .map((children) => {
        const sum = children.reduce((total, { weight }) => total + weight, 0);
        return Object.fromEntries(
          children.map(({ weight, next }, i) => ["abc"[i]!, step(weight / sum, next as Given["next"])]),
        );
      }),
  })).node;

  /** All paths of a tree with their costs, found without searching. */
  function listPaths(
    next: Given["next"],
    path = "",
    log = 0,
  ): { path: string; cost: number; next: Given["next"] }[] {
    const here = { path, cost: Math.log(path.length + 1) - log, next };
    if (typeof next === "string") return [here];
    return [
      here,
      ...Object.entries(next).flatMap(([text, child]) =>
        listPaths(child.next, path + text, log + Math.log(Math.max(child.reward, 1e-6))),
      ),
    ];
  }

  test("Levin expands all that costs less than the best answer, in order, and no more nodes than its bound", () =>
    fc.assert(
      fc.asyncProperty(policy, async (root) => {
        const { trees } = await searchGiven(root, { selection: levin(), children: 3, maxSteps: 50 });
        const paths = listPaths(root);
        const least = Math.min(...paths.filter(({ next }) => next === "answer").map(({ cost }) => cost));
        const inner = paths.filter(({ next }) => typeof next !== "string");
        const expanded = expandedOf(trees[0]!);
        const costOf = new Map(paths.map(({ path, cost }) => [path, cost]));
        const costs = expanded.map((path) => costOf.get(path)!);
        for (const [i, cost] of costs.entries())
          if (i > 0) expect(cost).toBeGreaterThanOrEqual(costs[i - 1]! - 1e-12);
        for (const { path, cost } of inner) {
          if (cost < least - 1e-12) expect(expanded).toContain(path);
          if (cost > least + 1e-12) expect(expanded).not.toContain(path);
        }
        if (least === Number.POSITIVE_INFINITY) expect(trees[0]!.answer).toBeNull();
        else expect(costOf.get(answerOf(trees[0]!)!)).toBeCloseTo(least, 10);
        expect(expanded.length).toBeLessThanOrEqual(Math.exp(least) * (1 + 1e-9));
      }),
      { numRuns: 100 },
    ));

  test("with rewards that know the way Levin expands the nodes of the way alone, and so does a beam", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2), { minLength: 1, maxLength: 8 }), async (way) => {
        // At every node three steps, of which one is right; wrong ones go on as far.
        const expected = way.map((_, i) => way.slice(0, i).join(""));
        for (const selection of [levin(), beam()] satisfies NodeSelection[]) {
          const { trees } = await search({
            expand: async (_, draws) =>
              Array.from({ length: draws }, (_, i) => ({ text: String(i), tokens: 1 })),
            score: async (path, text) => ({
              reward: [...path, text].every((each, i) => Number(each) === way[i]) ? 1 : 0,
              tokens: 0,
            }),
            isAnswer: (path) => path.length === way.length,
            selection,
            children: 3,
          });
          expect(expandedOf(trees[0]!)).toEqual(expected);
          expect(answerOf(trees[0]!)).toBe(way.join(""));
        }
      }),
      { numRuns: 40 },
    ));

  test("a tree is plain data", () =>
    fc.assert(
      fc.asyncProperty(policy, async (root) => {
        const { trees } = await searchGiven(root, { selection: beam(2), children: 3, maxSteps: 50 });
        expect(JSON.parse(JSON.stringify(trees))).toEqual(trees);
      }),
      { numRuns: 20 },
    ));
});
