/** @file Operators of transformer networks: RMS normalization, rotary position embedding, cross-entropy, SiLU. */

import { apply, type Operator, scalar, type Tensor, withDerivative } from "../tensor.ts";
import { add, div, exp, mul, neg, sigmoid, sqrt, sub, tanh } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { addRows, gather, reshape } from "./movement.ts";
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
 * Rotary position embedding (Su et al. 2021) on the two halves of the first `dim` elements of each head, as Hugging Face's Llama
 * has it.
 *
 * @param x [B, S, heads * headSize]
 * @param positions int64 [B, S], rows of the tables
 * @param cos [positions, dim / 2]
 * @param sin [positions, dim / 2]
 */
export function rotate(x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, headSize: number): Tensor {
  return apply(rotaryEmbedding, [x, positions, cos, sin], {
    interleaved: 0,
    num_heads: (x.shape[2] as number) / headSize,
    rotary_embedding_dim: 2 * (cos.shape[1] as number),
  })[0]!;
}

const logSoftmaxOperator: Operator = { onnx: { type: "LogSoftmax" }, infer: ([x]) => [x!] };

/** log(softmax(x)) over the last axis. It has no derivative of its own. */
export function logSoftmax(x: Tensor): Tensor {
  return apply(logSoftmaxOperator, [x], { axis: -1 })[0]!;
}
const gatherElementsOperator: Operator = {
  onnx: { type: "GatherElements" },
  infer: ([x, indices]) => [{ dtype: x!.dtype, shape: indices!.shape }],
};

/** Of each row of x [N, V] the elements at `columns` (int64 [N, C]): [N, C]. It has no derivative. */
export function gatherElements(x: Tensor, columns: Tensor): Tensor {
  return apply(gatherElementsOperator, [x, columns], { axis: 1 })[0]!;
}

/** c tanh(x / c), which keeps values within ±c; x itself where no cap is given. */
export function softcap(x: Tensor, cap: number | undefined): Tensor {
  return cap === undefined ? x : mul(tanh(mul(x, scalar(1 / cap))), scalar(cap));
}

/** The derivative of {@link softcap}, 1 - (y / c)², from its value y; undefined where it is one. */
export function softcapSlope(y: Tensor, cap: number | undefined): Tensor | undefined {
  if (cap === undefined) return undefined;
  const share = mul(y, scalar(1 / cap));
  return sub(scalar(1), mul(share, share));
}

/**
 * Negative log-likelihood of each row's label under softmax(x W^T), with soft-capped logits if `cap` is given. The derivative needs the softmax alone, and not the gradient of
 * the logits, which would be a second matrix of that size.
 *
 * @param x [N, K]
 * @param weight W [V, K]
 * @param labels int64 [N]
 * @returns [N]
 */
export function linearCrossEntropy(x: Tensor, weight: Tensor, labels: Tensor, cap?: number): Tensor {
  const rows = labels.shape[0]!;
  const logits = softcap(matmul(x, weight, { transB: true }), cap);
  const logProbabilities = logSoftmax(logits);
  const ofLabel = gatherElements(logProbabilities, reshape(labels, [rows, 1]));
  const loss = neg(reshape(ofLabel, [rows]));
  return withDerivative([x, weight], [loss], (_node, [dLoss], needs) => {
    const slope = softcapSlope(logits, cap);
    const probabilities = slope ? mul(exp(logProbabilities), slope) : exp(logProbabilities);
    const slopeOfLabel = slope && gatherElements(slope, reshape(labels, [rows, 1]));
    const ofLabelOnly = (perRow: Tensor) => (slopeOfLabel ? mul(perRow, slopeOfLabel) : perRow);
    const scale = reshape(dLoss!, [rows, 1]);
    // The mean of W's rows under the softmax, less the label's row.
    const dx = () => mul(sub(matmul(probabilities, weight), ofLabelOnly(gather(weight, labels))), scale);
    const dWeight = () => {
      const scaled = mul(x, scale);
      return addRows(matmul(probabilities, scaled, { transA: true }), labels, neg(ofLabelOnly(scaled)));
    };
    return [needs(0) ? dx() : undefined, needs(1) ? dWeight() : undefined];
  })[0]!;
}

const quickGelu: Operator = {
  onnx: { type: "QuickGelu", domain: "com.microsoft" },
  infer: ([x]) => [x!],
  derivative: ({ inputs: [x], outputs: [y] }, [dy]) => {
    // With s = sigmoid(x) it is s + y (1 - s).
    const s = sigmoid(x!);
    return [mul(dy!, add(s, mul(y!, sub(scalar(1), s))))];
  },
};

/** x sigmoid(x) (Elfwing et al. 2017). */
export function silu(x: Tensor): Tensor {
  return apply(quickGelu, [x], { alpha: 1 })[0]!;
}

const fastGeluOperator: Operator = {
  onnx: { type: "FastGelu", domain: "com.microsoft" },
  infer: ([x]) => [x!],
  derivative: ({ inputs: [x], outputs: [y] }, [dy]) => {
    // (1 + tanh(u)) / 2 is s = sigmoid(2 u), so that it is s + y (1 - s) 2 u'.
    const square = mul(x!, x!);
    const slope = scalar(2 * Math.sqrt(2 / Math.PI));
    const s = sigmoid(mul(mul(x!, add(mul(square, scalar(0.044715)), scalar(1))), slope));
    const inner = mul(add(mul(square, scalar(3 * 0.044715)), scalar(1)), slope);
    return [mul(dy!, add(s, mul(mul(y!, sub(scalar(1), s)), inner)))];
  },
};

/** GELU by its approximation with tanh (Hendrycks and Gimpel 2016): x (1 + tanh(u)) / 2 with u = √(2/π) (x + 0.044715 x³). */
export function fastGelu(x: Tensor): Tensor {
  return apply(fastGeluOperator, [x])[0]!;
}
