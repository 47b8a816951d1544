/** @file LMS3: demonstrations by what a model's last layer makes of them, or none. */

import { readHiddenStates } from "../alignment/hidden-states.ts";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import type { ModelConfig } from "../core/architectures/architecture.ts";
import { createDecoder, type Decoder, extendText } from "../core/engine/decoder.ts";
import { createKeyValues } from "../core/engine/key-values.ts";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { InputError } from "../core/errors.ts";
import { matmul } from "../core/graph/operators/matmul.ts";
import { input } from "../core/graph/tensor.ts";
import { readStoredWeight } from "../core/models/linear.ts";
import type { BlockTensors } from "../core/models/load-weights.ts";
import type { Model } from "../core/models/model.ts";
import { type Device, float32, type HostTensor } from "../core/runtime/device.ts";
import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { keepVectors } from "./embedding.ts";
import { takeHighest } from "./take-highest.ts";

/**
 * "paper": the formulas. "released": the published code where it differs from them: W_K in place of W_Kᵀ, and texts cut or filled up to
 * 128 tokens, of which the state at the last place is taken, also where that is padding.
 */
export const lms3Compats = ["paper", "released"] as const;
export type Lms3Compat = (typeof lms3Compats)[number];

export interface Lms3Options {
  /** The share of the pool that counts as similar: a demonstration outside of it is rejected. Default 0.01. */
  readonly lambda?: number;
  /** Default "paper". */
  readonly compat?: Lms3Compat;
  /** Default: the CPU. */
  readonly device?: Device;
}

/** Tokens of a text in the published code. */
const releasedTokens = 128;

/**
 * LMS3 (Liu et al. 2025, "What Makes In-context Learning Effective for Mathematical Reasoning", algorithm 1). With h the state of a
 * question's last token behind the final norm, and W_Q, W_K, W_V the projections of the last layer:
 *
 *     Sim(X) = ‖h_test − W_Kᵀ W_Q h_X‖    (equation 21)
 *     Stab(X) = ‖W_V h_X‖ / √d            (equation 22)
 *     Score(X) = Sim(X) Stab(X)           (equation 24)
 *
 * The k of the lowest score are chosen, without those that are not among the λ most similar, λ being a share of the pool and at
 * least k. Each key head stands for the query heads of its group. Where a family adds to its projections, queries and values are those
 * that the model makes, with their biases and norms, and W_K has the weight of the keys' norm.
 *
 * @throws InputError on use, if a question has more tokens than the model sees, or "released" is asked for of a model whose query heads
 *   are not as wide together as its hidden states, or that has no end-of-sequence token
 */
export function lms3Selector(
  model: Model,
  { lambda = 0.01, compat = "paper", device = openDevice("cpu") }: Lms3Options = {},
): DemonstrationSelector {
  if (!(lambda > 0 && lambda <= 1)) {
    throw new InputError(`${lambda} of the pool cannot count as similar; take a share above 0, up to 1.`);
  }
  const { config } = model;
  const embed = keepVectors(model, `lms3 ${compat}`, (texts) => readLastStates(device, model, texts, compat));
  return {
    name: compat === "paper" ? "lms3" : "lms3-released",
    async prepare(pool, queries, onText) {
      if (compat === "released") checkReleased(model);
      const states = await embed(
        pool.map(({ text }) => text),
        onText,
      );
      const asked = await embed(
        queries.map(({ text }) => text),
        onText,
      );
      const block = await model.weights.block(config.numHiddenLayers - 1);
      const projections = readProjections(config, block);
      const { images, stability } = await project(device, config, projections, states, compat);
      return (query, candidates, k) => {
        const similarity = new Float64Array(pool.length);
        const score = new Float64Array(pool.length);
        for (const place of candidates) {
          similarity[place] = -distance(asked[query]!, images[place]!);
          score[place] = similarity[place]! * stability[place]!;
        }
        const similar = new Set(
          takeHighest(candidates, similarity, Math.max(k, Math.floor(lambda * candidates.length))),
        );
        return takeHighest(candidates, score, k).filter((place) => similar.has(place));
      };
    },
  };
}

function checkReleased({ config, tokenizer }: Model): void {
  const width = config.numAttentionHeads * config.headDim;
  if (width !== config.hiddenSize) {
    throw new InputError(
      `The published code of LMS3 cannot be followed with this model, whose query heads have ${width} numbers and its hidden states ${config.hiddenSize}; leave out --lms3-compat released.`,
    );
  }
  if (tokenizer.eosTokenId === undefined) {
    throw new InputError(
      "The published code of LMS3 fills texts up with the end-of-sequence token, which this model lacks; leave out --lms3-compat released.",
    );
  }
}

/** The state of each text's last token behind the final norm. */
export async function readLastStates(
  device: Device,
  { config, tokenizer, weights }: Model,
  texts: readonly string[],
  compat: Lms3Compat,
): Promise<Float32Array[]> {
  const longest = longestCachedText(config);
  const tokens = texts.map((text) => {
    const ids = tokenizer.encode(text, { addSpecialTokens: true });
    if (compat === "released") return ids.slice(0, releasedTokens);
    if (ids.length > longest) {
      throw new InputError(
        `The question ${JSON.stringify(text.slice(0, 60))} has ${ids.length} tokens, and the model that chooses sees ${longest}; shorten it, or leave it out.`,
      );
    }
    return ids;
  });
  const decoder = createDecoder(device, { config, weights }, noAdapter);
  const vectors = new Array<Float32Array>(texts.length);
  const keep = (index: number, states: Float32Array) => {
    const norm = (weights.norm as HostTensor).data as Float32Array;
    vectors[index] = normalizeRow(config, states.slice(-config.hiddenSize), norm);
  };
  try {
    if (compat === "paper") await readHiddenStates(decoder, config, tokens, keep);
    else
      for (const [index, ids] of tokens.entries())
        keep(index, await readPadded(decoder, config, ids, tokenizer.eosTokenId!));
  } finally {
    await decoder.release();
  }
  return vectors;
}

/** States of a text, the last of them that of the last place after padding, which sees the text and no padding. */
async function readPadded(
  decoder: Decoder,
  config: ModelConfig,
  ids: readonly number[],
  padding: number,
): Promise<Float32Array> {
  const { hidden, keyValues } = await extendText(decoder, ids, createKeyValues(config, 1, 0));
  if (ids.length === releasedTokens) return hidden.data as Float32Array;
  const last = await decoder.extend(
    {
      rows: 1,
      length: 1,
      inputIds: Int32Array.of(padding),
      positionIds: Int32Array.of(releasedTokens - 1),
      branchIds: Int32Array.of(-1),
    },
    keyValues,
    Int32Array.of(ids.length),
  );
  return last.hidden.data as Float32Array;
}

/** The last layer's projections, and what its family adds to them. */
export interface LastProjections {
  /** [numAttentionHeads * headDim, hiddenSize] */
  readonly query: Float32Array;
  /** [numKeyValueHeads * headDim, hiddenSize] */
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly queryBias?: Float32Array | undefined;
  readonly valueBias?: Float32Array | undefined;
  /** Weight of the norm of queries, of each head [headDim] or of all together. */
  readonly queryNorm?: Float32Array | undefined;
  readonly keyNorm?: Float32Array | undefined;
}

function readProjections(config: ModelConfig, block: BlockTensors): LastProjections {
  const { hiddenSize, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const keys = config.numKeyValueHeads * headDim;
  const vector = (name: string) => block[`self_attn.${name}`]?.data as Float32Array | undefined;
  const isFused = Object.keys(block).some((name) => name.startsWith("self_attn.qkv_proj.weight"));
  const weight = (name: string) => readStoredWeight(block, `self_attn.${name}.weight`);
  const rows = (matrix: Float32Array, start: number, count: number) =>
    matrix.subarray(start * hiddenSize, (start + count) * hiddenSize);
  const fused = isFused ? weight("qkv_proj") : undefined;
  return {
    query: fused ? rows(fused, 0, queries) : weight("q_proj"),
    key: fused ? rows(fused, queries, keys) : weight("k_proj"),
    value: fused ? rows(fused, queries + keys, keys) : weight("v_proj"),
    queryBias: vector("q_proj.bias"),
    valueBias: vector("v_proj.bias"),
    queryNorm: vector("q_norm.weight"),
    keyNorm: vector("k_norm.weight"),
  };
}

/**
 * What LMS3 compares of a pool's states.
 *
 * @param states of the pool's questions, each [hiddenSize]
 * @returns W_Kᵀ W_Q h_X of each, and ‖W_V h_X‖ / √d
 */
export async function project(
  device: Device,
  config: ModelConfig,
  projections: LastProjections,
  states: readonly Float32Array[],
  compat: Lms3Compat = "paper",
): Promise<{ readonly images: readonly Float32Array[]; readonly stability: Float64Array }> {
  const { hiddenSize, headDim, numAttentionHeads, numKeyValueHeads } = config;
  const count = states.length;
  const hidden = new Float32Array(count * hiddenSize);
  for (const [i, state] of states.entries()) hidden.set(state, i * hiddenSize);

  const multiply = async (rows: Float32Array, matrix: Float32Array, outFeatures: number, transB: boolean) => {
    const inFeatures = rows.length / count;
    const dims = transB ? [outFeatures, inFeatures] : [inFeatures, outFeatures];
    const product = matmul(input("rows", "float32", ["N", inFeatures]), input("matrix", "float32", dims), {
      transB,
    });
    const program = await device.compile({ product });
    try {
      const outputs = await program.run({
        rows: float32(rows, [count, inFeatures]),
        matrix: float32(matrix, dims),
      });
      return outputs.product!.data as Float32Array;
    } finally {
      await program.release();
    }
  };

  const width = numAttentionHeads * headDim;
  const queries = await multiply(hidden, projections.query, width, true);
  const values = await multiply(hidden, projections.value, numKeyValueHeads * headDim, true);
  addToRows(queries, projections.queryBias);
  addToRows(values, projections.valueBias);
  if (projections.queryNorm) {
    const { queryNorm } = projections;
    for (let start = 0; start < queries.length; start += queryNorm.length) {
      const part = queries.subarray(start, start + queryNorm.length);
      part.set(normalizeRow(config, part, queryNorm));
    }
  }
  const keys = repeatHeads(config, projections);
  const images = await multiply(queries, keys, hiddenSize, compat === "released");
  return {
    images: rowsOf(images, hiddenSize),
    stability: Float64Array.from(rowsOf(values, numKeyValueHeads * headDim), (row) => {
      return Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / hiddenSize);
    }),
  };
}

/** W_K with each head as often as queries are in its group, [numAttentionHeads * headDim, hiddenSize]. */
function repeatHeads(config: ModelConfig, { key, keyNorm }: LastProjections): Float32Array {
  const { hiddenSize, headDim, numAttentionHeads, numKeyValueHeads, normOffset = 0 } = config;
  const group = numAttentionHeads / numKeyValueHeads;
  const repeated = new Float32Array(numAttentionHeads * headDim * hiddenSize);
  for (let row = 0; row < numAttentionHeads * headDim; row++) {
    const head = Math.floor(row / headDim / group);
    const source = head * headDim + (row % headDim);
    const gain = keyNorm ? keyNorm[source % keyNorm.length]! + normOffset : 1;
    for (let i = 0; i < hiddenSize; i++)
      repeated[row * hiddenSize + i] = gain * key[source * hiddenSize + i]!;
  }
  return repeated;
}

function addToRows(rows: Float32Array, bias: Float32Array | undefined): void {
  if (bias) for (let i = 0; i < rows.length; i++) rows[i]! += bias[i % bias.length]!;
}

/** Root-mean-square normalization by a weight, with what the family adds to it. */
function normalizeRow(
  { rmsNormEps, normOffset = 0 }: ModelConfig,
  row: Float32Array,
  weight: Float32Array,
): Float32Array {
  const square = row.reduce((sum, value) => sum + value * value, 0) / row.length;
  const scale = 1 / Math.sqrt(square + rmsNormEps);
  return row.map((value, i) => value * scale * (weight[i]! + normOffset));
}

function rowsOf(matrix: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: matrix.length / width }, (_, i) => matrix.subarray(i * width, (i + 1) * width));
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}
