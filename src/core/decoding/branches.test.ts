import { afterAll, expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { noAdapter } from "../adapters/adapted-model.ts";
import { createDecoder, extendText } from "../engine/decoder.ts";
import { createKeyValues } from "../engine/key-values.ts";
import { createRandom } from "../random.ts";
import { createBranches } from "./branches.ts";
import { likeliest, logSumExp } from "./sample.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const decoder = createDecoder(device, model, noAdapter);
const branches = createBranches(device, model, { capacity: 6 });
afterAll(async () => {
  await branches.release();
  await decoder.release();
});
const encode = (text: string) => model.tokenizer.encode(text, { addSpecialTokens: true });
const prompt = encode("Tom has 3 pens. He buys 4 more. How many pens does he have");

/** Logits after a text's last token, computed from the whole text. */
async function computeAnew(ids: readonly number[]): Promise<Float32Array> {
  const { hidden } = await extendText(decoder, ids, createKeyValues(model.config, 1, 0));
  return decoder.logits(hidden, Int32Array.of(ids.length - 1));
}

function expectSame(actual: Float32Array, expected: Float32Array): void {
  for (const [id, logit] of expected.entries()) expect(Math.abs(actual[id]! - logit)).toBeLessThan(1e-4);
}

interface Beam {
  readonly ids: readonly number[];
  /** Sum of the log-probabilities of its tokens after the prompt. */
  readonly score: number;
}

/** Each beam's likeliest continuations by one token, with the number of the beam that each continues. */
function expand(beams: readonly Beam[], logits: readonly Float32Array[], width: number) {
  const grown = beams.flatMap(({ ids, score }, beam) =>
    likeliest(logits[beam]!, width).map((id) => ({
      beam,
      ids: [...ids, id],
      score: score + logits[beam]![id]! - logSumExp(logits[beam]!),
    })),
  );
  return grown.sort((a, b) => b.score - a.score).slice(0, width);
}

test("a beam search finds what one without a cache finds", async () => {
  const [width, length] = [4, 8];
  let anew: readonly Beam[] = [{ ids: prompt, score: 0 }];
  for (let step = 0; step < length; step++) {
    const logits: Float32Array[] = [];
    for (const { ids } of anew) logits.push(await computeAnew(ids));
    anew = expand(anew, logits, width);
  }

  let logits = [await branches.begin(prompt)];
  let beams: readonly Beam[] = [{ ids: prompt, score: 0 }];
  const parents: number[][] = [];
  for (let step = 0; step < length; step++) {
    const grown = expand(beams, logits, width);
    parents.push(grown.map(({ beam }) => beam));
    branches.keep(parents.at(-1)!);
    if (step < length - 1) logits = await branches.step(grown.map(({ ids }) => ids.at(-1)!));
    beams = grown;
  }
  expect(beams.map(({ ids }) => ids)).toEqual(anew.map(({ ids }) => ids));
  for (const [i, { score }] of beams.entries()) expect(Math.abs(score - anew[i]!.score)).toBeLessThan(1e-3);
  // Beams were dropped and copied on the way.
  expect(parents.slice(1).some((kept) => new Set(kept).size < width)).toBe(true);
});

test("whatever is done with branches, each continues its own text", async () => {
  const random = createRandom(5);
  const below = (count: number) => Math.floor(random.uniform() * count);
  const drawIds = (count: number) => Array.from({ length: count }, () => below(model.config.vocabSize));
  branches.keep([]);
  await branches.begin(prompt);
  let texts: number[][] = [[...prompt]];
  const actions = [
    async () => {
      if (branches.count === 6) return;
      const ids = [...prompt.slice(0, 5 + below(20)), ...drawIds(3)];
      expectSame(await branches.begin(ids), await computeAnew(ids));
      texts.push(ids);
    },
    async () => {
      const ids = drawIds(branches.count);
      const logits = await branches.step(ids);
      for (const [branch, id] of ids.entries()) texts[branch]!.push(id);
      for (const [branch, text] of texts.entries()) expectSame(logits[branch]!, await computeAnew(text));
    },
    async () => {
      const branch = below(branches.count);
      const ids = drawIds(1 + below(9));
      texts[branch]!.push(...ids);
      expectSame(await branches.extend(branch, ids), await computeAnew(texts[branch]!));
    },
    async () => {
      if (branches.count === 6) return;
      const branch = below(branches.count);
      expect(branches.fork(branch)).toBe(texts.length);
      texts.push([...texts[branch]!]);
    },
    async () => {
      if (branches.count === 1) return;
      const branch = below(branches.count);
      branches.drop(branch);
      texts.splice(branch, 1);
    },
    async () => {
      const kept = Array.from({ length: 1 + below(6) }, () => below(branches.count));
      branches.keep(kept);
      texts = kept.map((branch) => [...texts[branch]!]);
    },
  ];
  for (let step = 0; step < 60; step++) {
    await actions[below(actions.length)]!();
    expect(Array.from({ length: branches.count }, (_, branch) => branches.ids(branch))).toEqual(texts);
  }
});

test("continuations are scored side by side, and the branch stays as it is", async () => {
  branches.keep([]);
  await branches.begin(prompt);
  const continuations = [" 7 pens.", " 12.", "", " many, many pens"].map((text) =>
    model.tokenizer.encode(text),
  );
  const scores = await branches.score(0, continuations);
  for (const [i, ids] of continuations.entries()) {
    expect(scores[i]).toHaveLength(ids.length);
    for (const [place, id] of ids.entries()) {
      const logits = await computeAnew([...prompt, ...ids.slice(0, place)]);
      expect(Math.abs(scores[i]![place]! - (logits[id]! - logSumExp(logits)))).toBeLessThan(1e-4);
    }
  }
  expect(await branches.score(0, [])).toEqual([]);
  expect(branches.ids(0)).toEqual(prompt);
});

test.each<[string, () => unknown, string]>([
  [
    "a branch that is not there",
    () => branches.fork(9),
    "There is no branch 9; there are 1, counted from 0.",
  ],
  [
    "too many branches",
    () => branches.keep(new Array(7).fill(0)),
    "There is room for 6 branches, not for 7; keep fewer, or make room.",
  ],
  ["an empty prompt", () => branches.begin([]), "The prompt is empty; begin with a token at least."],
  ["a token too few", () => branches.step([]), "0 tokens were given for 1 branches; give one for each."],
  [
    "a text longer than the context",
    () => branches.extend(0, new Array(model.config.maxPositionEmbeddings).fill(1)),
    "does not fit into the model's context",
  ],
])("%s is refused, and the branches stay", async (_, act, message) => {
  const before = branches.ids(0);
  await expect((async () => act())()).rejects.toThrow(message);
  expect(branches.count).toBe(1);
  expect(branches.ids(0)).toEqual(before);
});
