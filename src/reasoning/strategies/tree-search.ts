/** @file Search over the steps of solutions: MindStar (Kang et al. 2024, arXiv 2405.16265), and DVTS of search-and-learn. */

import { InputError } from "../../core/errors.ts";
import { weightedVote } from "../../search/ranking.ts";
import { search } from "../../search/search.ts";
import { beam, levin, type NodeSelection } from "../../search/selection.ts";
import { childrenOf, pathTo, type SearchNode, type SearchTree } from "../../search/tree.ts";
import type { Solution, Strategy, Tools } from "../strategy.ts";
import type { Named } from "./affordable.ts";
import { drawStep, isAnswered, lineOf } from "./steps.ts";

/** MindStar with beam search: of n steps the best, or so many, are gone on from. */
export function mindStarBeam(named: Named, n: number, width: number): Strategy {
  return treeSearch(named, { selection: beam(width), children: n, trees: 1, candidates: chosenOf });
}

/** MindStar with Levin tree search, which goes back where another beginning has become better. */
export function mindStarLevin(named: Named, n: number): Strategy {
  return treeSearch(named, { selection: levin(), children: n, trees: 1, candidates: chosenOf });
}

/** MindStar's forest: trees with draws of their own, whose answers vote with the products of their rewards. */
export function forest(named: Named, trees: number, n: number, rule: "beam" | "levin"): Strategy {
  const selection = rule === "beam" ? beam() : levin();
  return treeSearch(named, { selection, children: n, trees, candidates: chosenOf });
}

/**
 * Diverse verifier tree search: n / width independent beams of one with `width` draws a step, as search-and-learn has it. All complete
 * answers among the last draws of each vote with the reward of their last step.
 */
export function diverseTrees(named: Named, n: number, width: number): Strategy {
  if (n % width !== 0) {
    throw new InputError(
      `The strategy ${named.name}: ${n} draws a step cannot be shared by trees of ${width} draws; take a multiple of ${width}.`,
    );
  }
  return treeSearch(named, {
    ...{ selection: beam(), children: width, trees: n / width },
    candidates: (tree) =>
      childrenOf(tree, tree.expanded.at(-1)!)
        .filter(({ state }) => state === "answer")
        .map((node) => ({ node, weight: node.draws * (node.reward ?? 0) })),
  });
}

interface TreeOptions {
  readonly selection: NodeSelection;
  readonly children: number;
  readonly trees: number;
  /** The nodes of a tree whose answers vote. */
  readonly candidates: (tree: SearchTree) => readonly Candidate[];
}

interface Candidate {
  readonly node: SearchNode;
  readonly weight: number;
}

function chosenOf({ nodes, answer }: SearchTree): Candidate[] {
  if (answer === null) return [];
  const node = nodes[answer]!;
  return [{ node, weight: Math.exp(node.logProduct) }];
}

function treeSearch({ name, budget }: Named, { candidates, ...options }: TreeOptions): Strategy {
  const firstSteps = options.trees === 1 ? "the first step" : `the first steps of ${options.trees} trees`;
  return {
    name,
    ...(budget !== undefined && { budget }),
    needs: ["continue"],
    scoresSteps: true,
    check({ settings: { stepTokens } }) {
      const least = options.trees * stepTokens;
      if (budget === undefined || budget >= least) return;
      throw new InputError(
        `The strategy ${name}: a budget of ${budget} tokens is too small for ${firstSteps}, which may take ${least}; give a larger one, or allow shorter steps.`,
      );
    },
    async solve(question, tools) {
      const messages = tools.prompt(question);
      const { stepTokens, maxSteps } = tools.settings;
      const mostTokens = (draws: number) => draws * (stepTokens + tools.mostScored(stepTokens));
      const room = tools.room(messages);
      const least = options.trees * mostTokens(1);
      if (room < least) {
        throw new InputError(
          `its budget leaves ${room} tokens beside the question, but ${firstSteps} may take ${least}; give a larger one, or allow shorter steps`,
        );
      }
      const { trees } = await search({
        ...options,
        maxSteps,
        ...(budget !== undefined && {
          budget: { tokens: room, mostTokens: (_, draws) => mostTokens(draws) },
        }),
        expand: (path, draws, firstDraw) =>
          Promise.all(
            Array.from({ length: draws }, (_, i) => drawStep(question, path, firstDraw + i, tools)),
          ),
        async score(path, step) {
          const { rewards, tokens } = await tools.scoreSteps(question, path.map(lineOf), [lineOf(step)]);
          return { reward: rewards[0]!, tokens };
        },
        isAnswer: (path, last) => isAnswered(path, last, tools),
      });
      return elect(trees, candidates, tools);
    },
  };
}

/** The answer of the heaviest vote among the candidates of all trees, with the heaviest text that gives it. */
function elect(trees: readonly SearchTree[], candidates: TreeOptions["candidates"], tools: Tools): Solution {
  const textOf = (tree: SearchTree, id: number) =>
    pathTo(tree, id)
      .map(({ text }) => text)
      .filter((text) => text !== "")
      .join("\n");
  const voters = trees.flatMap((tree) =>
    candidates(tree).map(({ node, weight }) => {
      const text = textOf(tree, node.id);
      return { text, answer: tools.extract(text), weight };
    }),
  );
  const [heaviest] = weightedVote(voters, tools.equal);
  const [best] = voters
    .filter(({ answer }) => answer !== undefined && heaviest && tools.equal(answer, heaviest.answer))
    .sort((a, b) => b.weight - a.weight);
  const nodes = trees.flatMap((tree) => tree.nodes.slice(1));
  const count = (...states: SearchNode["state"][]) =>
    nodes.filter(({ state }) => states.includes(state)).length;
  return {
    answer: heaviest?.answer,
    text: best?.text ?? textOf(trees[0]!, trees[0]!.expanded.at(-1)!),
    isCut: !heaviest,
    trees,
    details: {
      expanded: trees.reduce((sum, { expanded }) => sum + expanded.length, 0),
      steps: nodes.length,
      alike: nodes.reduce((sum, { draws }) => sum + draws - 1, 0),
      answers: count("answer"),
      deadEnds: count("dead end"),
      cutSteps: count("cut"),
      end: [...new Set(trees.map(({ end }) => end))].join(", "),
    },
  };
}
