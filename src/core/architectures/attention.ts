/** @file Attention as graphs: of whole rows, as in training, and of new tokens to what a cache holds. */

import { add, mul, sub } from "../graph/operators/elementwise.ts";
import { broadcastMatmul, matmul } from "../graph/operators/matmul.ts";
import { concat, join, leading, reshape, separate, split, transpose } from "../graph/operators/movement.ts";
import { softcap, softcapSlope } from "../graph/operators/neural-network.ts";
import { controlDependency } from "../graph/operators/order.ts";
import { reduceSum, softmax } from "../graph/operators/reduction.ts";
import { type Dim, multiplyDim, scalar, type Tensor, withDerivative } from "../graph/tensor.ts";
import type { ModelConfig } from "./architecture.ts";

/**
 * How the tokens of a block attend to each other.
 *
 * @param query [B, S, heads * headDim], rotated
 * @param key [B, S, groups * headDim], rotated
 * @param value [B, S, groups * headDim]
 * @returns [B, S, heads * headDim]
 */
export type Attention = (query: Tensor, key: Tensor, value: Tensor) => Tensor;

/**
 * Gives the additive mask of a chunk of C queries, float32 [B, 1, C, K]: 0 where the query (row) may attend to the key
 * (column), else a large negative number.
 *
 * @param after a tensor before which the mask is not needed
 */
export type ChunkMask = (after: Tensor) => Tensor;

/**
 * Attention within rows.
 *
 * @param chunkSize C, the number of queries in a chunk but the last, which may have fewer
 * @param masks for each of n chunks; chunk i has K = (i + 1) C. Keys after a chunk's end are never seen, nor multiplied by
 * @param recompute whether the derivative computes the attention weights again, chunk by chunk, in place of keeping those of
 * all chunks: their number grows with the square of S (Rabe and Staats 2021)
 */
export function rowAttention(
  config: ModelConfig,
  chunkSize: Dim,
  masks: readonly ChunkMask[],
  { recompute = false }: { readonly recompute?: boolean } = {},
): Attention {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim, attentionScale: scale } = config;
  const perGroup = heads / groups;
  return (query, key, value) => {
    const [batch, length] = query.shape as [Dim, Dim, Dim];
    const inChunks = (tensor: Tensor, axis: number) => split(tensor, axis, masks.length, chunkSize);
    const toHeads = (tensor: Tensor) =>
      transpose(reshape(tensor, [batch, length, groups, headDim]), [0, 2, 1, 3]);
    const keys = inChunks(toHeads(key), 2);
    const values = inChunks(toHeads(value), 2);
    const sequence: ChunkSequence | undefined = recompute ? { finished: [] } : undefined;
    const attended = inChunks(query, 1).map((part, index) => {
      const output = scaledDotProductAttention(
        toGroups(config, part),
        concat(keys.slice(0, index + 1), 2),
        concat(values.slice(0, index + 1), 2),
        masks[index]!,
        { perGroup, scale, softcap: config.attentionSoftcap, sequence },
      );
      return fromGroups(config, output, batch, chunkSize);
    });
    return concat(attended, 1);
  };
}

/** [B, S, heads * headDim] as [B, groups, perGroup * S, headDim]: queries that share a key stand in the rows of one matrix. */
function toGroups(config: ModelConfig, query: Tensor): Tensor {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim } = config;
  const perGroup = heads / groups;
  const [batch, length] = query.shape as [Dim, Dim, Dim];
  const perHead = reshape(query, [batch, length, groups, perGroup, headDim]);
  return reshape(transpose(perHead, [0, 2, 3, 1, 4]), [
    batch,
    groups,
    multiplyDim(perGroup, length),
    headDim,
  ]);
}

/** The inverse of {@link toGroups}. */
function fromGroups(config: ModelConfig, output: Tensor, batch: Dim, length: Dim): Tensor {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim } = config;
  const perHead = reshape(output, [batch, groups, heads / groups, length, headDim]);
  return reshape(transpose(perHead, [0, 3, 1, 2, 4]), [batch, length, heads * headDim]);
}

/**
 * Chunks whose derivatives are computed one after the other, so that the attention weights of one are alive at a time: left to
 * itself, ONNX Runtime takes all chunks' queries first, then their keys, then their values.
 */
interface ChunkSequence {
  /** The gradients of the chunk before. */
  finished: readonly Tensor[];
}

/**
 * softmax(scale Q K^T + mask) V (Vaswani et al. 2017, equation 1).
 *
 * @param query [B, groups, perGroup * C, d]
 * @param key [B, groups, K, d]
 * @param value [B, groups, K, d]
 * @param mask the same for all heads
 * @param scale factor of the scores, and the cap after it if there is one
 * @param sequence if given, the derivative computes the attention weights again, after that of the chunk before
 */
function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: ChunkMask,
  {
    perGroup,
    scale: alpha,
    softcap: cap,
    sequence,
  }: {
    readonly perGroup: number;
    readonly scale: number;
    readonly softcap: number | undefined;
    readonly sequence: ChunkSequence | undefined;
  },
): Tensor {
  const scoresOf = (queries: Tensor) => softcap(matmul(queries, key, { transB: true, alpha }), cap);
  const weightsOf = (queries: Tensor, scores: Tensor) => maskedSoftmax(scores, mask(queries), perGroup);
  const keptScores = scoresOf(query);
  const kept = weightsOf(query, keptScores);
  const output = matmul(kept, value);
  return withDerivative([query, key, value], [output], (_node, [received]) => {
    const dOutput = sequence ? afterAll(received!, sequence.finished) : received!;
    const again = sequence && mul(query, controlDependency(dOutput));
    const scores = again ? scoresOf(again) : keptScores;
    const weights = again ? weightsOf(again, scores) : kept;
    // The row sums of P ∘ dP equal those of O ∘ dO (Dao et al. 2022, appendix B.2), which are much smaller.
    const dWeights = matmul(dOutput, value, { transB: true });
    const rowSums = reduceSum(mul(output, dOutput), [-1], { keepDims: true });
    const dCapped = mul(weights, sub(dWeights, rowSums));
    const slope = softcapSlope(scores, cap);
    const dScores = slope ? mul(dCapped, slope) : dCapped;
    const given = [
      matmul(dScores, key, { alpha }),
      matmul(dScores, query, { transA: true, alpha }),
      matmul(weights, dOutput, { transA: true }),
    ];
    if (sequence) sequence.finished = given;
    return given;
  })[0]!;
}

/** `x`, computed only when all `others` are. */
function afterAll(x: Tensor, others: readonly Tensor[]): Tensor {
  return others.length === 0 ? x : mul(x, others.map(controlDependency).reduce(mul));
}

/** Attention weights of scores [B, groups, perGroup * C, K] under a mask [B, 1, C, K]. */
function maskedSoftmax(scores: Tensor, mask: Tensor, perGroup: number): Tensor {
  const [batch, groups] = scores.shape as [Dim, number];
  const [, , queries, keys] = mask.shape as [Dim, Dim, Dim, Dim];
  const masked = add(reshape(scores, [batch, groups * perGroup, queries, keys]), mask);
  return reshape(softmax(masked), scores.shape);
}

/** Whose the cached tokens are: each row has its own, or one row is shared by all. */
export type Past = "own" | "shared";

/**
 * The keys and values of P tokens that stand before S new ones, and who sees whom. The axes of size 1 stand for the new tokens,
 * and for the heads of a group.
 */
export interface CachedContext {
  /** [B, 1, groups, 1, P, headDim], or one row for all; the values too. */
  readonly keys: Tensor;
  readonly values: Tensor;
  /**
   * float32 [B, 1, S, P + S], for few tokens [B, S, 1, 1, 1, P + S]: 0 where the query (row) may attend to the key (column), else a
   * large negative number.
   */
  readonly mask: Tensor;
  /** int64 [2]: P and S. */
  readonly sizes: Tensor;
}

/** Keys and values, of the same shape; as the cache keeps them, [B, groups, S, headDim]. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/**
 * Attention to m prompts that belong to no text: every token sees all of them, by a softmax of their own (Zhang et al. 2023,
 * LLaMA-Adapter, section 3.2).
 *
 * @param query [B, S, heads * headDim], rotated
 * @param keys [1, m, groups * headDim], not rotated; the values too
 * @param gate factor of what each head adds, [heads], or of what all add, [1]
 * @param first how many of the prompts the result has a part of; the softmax is over all of them. Default: all
 * @returns [B, S, heads * headDim]
 */
export function promptAttention(
  config: ModelConfig,
  query: Tensor,
  { keys, values }: KeysAndValues,
  gate: Tensor,
  first = keys.shape[1] as number,
): Tensor {
  const { numAttentionHeads: heads, attentionScale, attentionSoftcap } = config;
  const [batch, length] = query.shape as [Dim, Dim, Dim];
  const prompts = toCache(config, keys, values);
  const product = broadcastMatmul(toGroups(config, query), prompts.keys, { transB: true });
  const weights = softmax(softcap(mul(product, scalar(attentionScale)), attentionSoftcap));
  const perHead = reshape(weights, [batch, heads, length, weights.shape[3]!]);
  const gated = reshape(mul(perHead, reshape(gate, [gate.shape[0]!, 1, 1])), weights.shape);
  const output = broadcastMatmul(leading(gated, 3, first), leading(prompts.values, 2, first));
  return fromGroups(config, output, batch, length);
}

/** New tokens' keys and values as they are kept. */
function toCache(config: ModelConfig, key: Tensor, value: Tensor): KeysAndValues {
  const { numKeyValueHeads: groups, headDim } = config;
  const [batch, length] = key.shape as [Dim, Dim, Dim];
  const perHead = (tensor: Tensor) =>
    transpose(reshape(tensor, [batch, length, groups, headDim]), [0, 2, 1, 3]);
  return { keys: perHead(key), values: perHead(value) };
}

/** {@link rowAttention} of tokens before which the cache holds none. */
export function uncachedAttention(
  config: ModelConfig,
  chunkSize: Dim,
  masks: readonly ChunkMask[],
  onNew: (tensors: KeysAndValues) => void,
): Attention {
  const attend = rowAttention(config, chunkSize, masks);
  return (query, key, value) => {
    onNew(toCache(config, key, value));
    return attend(query, key, value);
  };
}

/**
 * Attention of new tokens to a cache and to each other. Many tokens have more scores than keys and values, so each row's
 * own past is joined to its new keys and values. What all rows share is not repeated for each: there the scores are joined.
 */
export function cachedAttention(
  config: ModelConfig,
  { past, keys, values, mask, sizes }: CachedContext & { readonly past: Past },
  onNew: (tensors: KeysAndValues) => void,
): Attention {
  const { numAttentionHeads: heads, numKeyValueHeads: groups } = config;
  const keyCount = mask.shape[3]!;
  const ofGroups = (tensor: Tensor) => {
    const [rows, , , , ...matrix] = tensor.shape as [Dim, Dim, Dim, Dim, Dim, Dim];
    return reshape(tensor, [rows, groups, ...matrix]);
  };
  const before = { keys: ofGroups(keys), values: ofGroups(values) };
  return (query, key, value) => {
    const [batch, length] = query.shape as [Dim, Dim, Dim];
    const fresh = toCache(config, key, value);
    onNew(fresh);
    const queries = scaleQueries(config, toGroups(config, query));
    const toWeights = (scores: Tensor) =>
      maskedSoftmax(softcap(scores, config.attentionSoftcap), mask, heads / groups);
    if (past === "shared") {
      const output = attendToBoth(queries, before, fresh, { sizes, keyCount, toWeights });
      return fromGroups(config, output, batch, length);
    }
    const joinedKeys = join([before.keys, fresh.keys], 2, keyCount);
    const joinedValues = join([before.values, fresh.values], 2, keyCount);
    const weights = toWeights(broadcastMatmul(queries, joinedKeys, { transB: true }));
    return fromGroups(config, broadcastMatmul(weights, joinedValues), batch, length);
  };
}

/**
 * {@link cachedAttention} of few new tokens per row. Each head of each token is multiplied by itself: ONNX Runtime multiplies a
 * single row by a matrix where it lies, but copies the matrix for several rows, which costs more than reading it once for each.
 */
export function stepAttention(
  config: ModelConfig,
  { keys, values, mask, sizes }: CachedContext,
  onNew: (tensors: KeysAndValues) => void,
): Attention {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim } = config;
  const keyCount = mask.shape.at(-1)!;
  const toWeights = (scores: Tensor) => softmax(add(softcap(scores, config.attentionSoftcap), mask));
  return (query, key, value) => {
    const [batch, length] = query.shape as [Dim, Dim, Dim];
    // Of one token, they lie in the order in which the cache keeps them.
    const kept = length === 1 ? { keys: key, values: value } : toCache(config, key, value);
    onNew(kept);
    const perHead = (tensor: Tensor) => reshape(tensor, [batch, 1, groups, 1, length, headDim]);
    const fresh = { keys: perHead(kept.keys), values: perHead(kept.values) };
    const queries = scaleQueries(config, reshape(query, [batch, length, groups, heads / groups, 1, headDim]));
    const output = attendToBoth(queries, { keys, values }, fresh, { sizes, keyCount, toWeights });
    return reshape(output, [batch, length, heads * headDim]);
  };
}

/**
 * The factor of attention's scores, on the queries, which are fewer. Within the product, ONNX Runtime would not take its fast way
 * for a single row.
 */
function scaleQueries({ attentionScale }: ModelConfig, queries: Tensor): Tensor {
  return mul(queries, scalar(attentionScale));
}

/** Attention of scaled queries [..., n, headDim] to past and new keys and values, whose leading axes may be repeated. */
function attendToBoth(
  queries: Tensor,
  past: KeysAndValues,
  fresh: KeysAndValues,
  {
    sizes,
    keyCount,
    toWeights,
  }: { readonly sizes: Tensor; readonly keyCount: Dim; readonly toWeights: (scores: Tensor) => Tensor },
): Tensor {
  const axis = queries.shape.length - 1;
  const scores = join(
    [past, fresh].map(({ keys }) => broadcastMatmul(queries, keys, { transB: true })),
    axis,
    keyCount,
  );
  const [toPast, toNew] = separate(toWeights(scores), axis, sizes, [
    past.keys.shape.at(-2)!,
    fresh.keys.shape.at(-2)!,
  ]);
  return add(broadcastMatmul(toPast!, past.values), broadcastMatmul(toNew!, fresh.values));
}
