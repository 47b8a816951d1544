/** @file Operators of transformer networks: RMS normalization, rotary position embedding, cross-entropy. */

import { apply, type Operator, scalar, type Tensor, withDerivative } from "../tensor.ts";
import { add, div, exp, mul, neg, sigmoid, sqrt, sub } from "./elementwise.ts";
import { reshape } from "./movement.ts";
import { reduceMean, reduceSum } from "./reduction.ts";

const simplifiedLayerNormalization: Operator = {
  onnx: { type: "SimplifiedLayerNormalization" },
  infer: ([x]) => [x!],
  derivative: ({ inputs: [x, weight], attributes: { epsilon } }, [dy], needs) => {
    // y = w x r with r = (mean(x²) + ε)^-½, hence dx = r (w dy) - x r³ mean(x (w dy)).
    const meanSquare = reduceMean(mul(x!, x!), -1, { keepDims: true });
    const r = div(scalar(1), sqrt(add(meanSquare, scalar(epsilon as number))));
    const normalized = mul(x!, r);
    const scaled = mul(dy!, weight!);
    const dx = () =>
      mul(r, sub(scaled, mul(normalized, reduceMean(mul(scaled, normalized), -1, { keepDims: true }))));
    const leading = [...x!.shape.keys()].slice(0, -1);
    return [needs(0) ? dx() : undefined, needs(1) ? reduceSum(mul(dy!, normalized), leading) : undefined];
  },
};

/**
 * Root-mean-square normalization over the last axis, times `weight` (one value per element of that axis).
 * Zhang and Sennrich 2019, equation 4, with epsilon inside the root as in Llama.
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return apply(simplifiedLayerNormalization, [x, weight], { epsilon, axis: -1, stash_type: 1 })[0]!;
}

const rotaryEmbedding: Operator = {
  onnx: { type: "RotaryEmbedding", domain: "com.microsoft" },
  infer: ([x]) => [x!],
  derivative: ({ inputs: [_x, positions, cos, sin], attributes }, [dy]) => [
    // A rotation's transpose is the rotation by the negative angle.
    apply(rotaryEmbedding, [dy!, positions!, cos!, neg(sin!)], attributes)[0],
  ],
};

/**
 * Rotary position embedding (Su et al. 2021) on the two halves of each head, as Hugging Face's Llama has it.
 *
 * @param x [B, S, heads * headSize]
 * @param positions int64 [B, S], rows of the tables
 * @param cos [positions, headSize / 2]
 * @param sin [positions, headSize / 2]
 */
export function rotate(x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const headSize = 2 * (cos.shape[1] as number);
  const heads = (x.shape[2] as number) / headSize;
  return apply(rotaryEmbedding, [x, positions, cos, sin], {
    interleaved: 0,
    num_heads: heads,
    rotary_embedding_dim: headSize,
  })[0]!;
}

const logSoftmax: Operator = { onnx: { type: "LogSoftmax" }, infer: ([x]) => [x!] };
const scatterElements: Operator = { onnx: { type: "ScatterElements" }, infer: ([x]) => [x!] };
const gatherElementsOperator: Operator = {
  onnx: { type: "GatherElements" },
  infer: ([x, indices]) => [{ dtype: x!.dtype, shape: indices!.shape }],
};

/** Of each row of x [N, V] the elements at `columns` (int64 [N, C]): [N, C]. It has no derivative. */
export function gatherElements(x: Tensor, columns: Tensor): Tensor {
  return apply(gatherElementsOperator, [x, columns], { axis: 1 })[0]!;
}

/**
 * Negative log-likelihood of each row's label under softmax(logits).
 *
 * @param logits [N, V]
 * @param labels int64 [N]
 * @returns [N]
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const rows = labels.shape[0]!;
  const column = reshape(labels, [rows, 1]);
  const logProbabilities = apply(logSoftmax, [logits], { axis: -1 })[0]!;
  const ofLabel = gatherElements(logProbabilities, column);
  const loss = neg(reshape(ofLabel, [rows]));
  return withDerivative([logits], [loss], (_node, [dLoss]) => {
    // softmax(logits) minus one at the label, each row times its loss's gradient.
    const scale = reshape(dLoss!, [rows, 1]);
    const weighted = mul(exp(logProbabilities), scale);
    return [apply(scatterElements, [weighted, column, neg(scale)], { axis: 1, reduction: "add" })[0]];
  })[0]!;
}

/**
 * x sigmoid(x) (Elfwing et al. 2017). With y the result and s = sigmoid(x), its derivative is s + y (1 - s).
 */
export function silu(x: Tensor): Tensor {
  const s = sigmoid(x);
  const y = mul(x, s);
  return withDerivative([x], [y], (_node, [dy]) => [mul(dy!, add(s, mul(y, sub(scalar(1), s))))])[0]!;
}
