/** @file Divergences between a student's and a teacher's distribution of the next token, for distillation. */

import { InputError } from "../errors.ts";
import { add, exp, log, max, mul, sub } from "../graph/operators/elementwise.ts";
import { detach, scalar, type Tensor } from "../graph/tensor.ts";

/** A sum over the vocabulary of a function of both log-probabilities of an entry. */
export interface Divergence {
  /** Divergences of the same name are computed by the same programs. */
  readonly name: string;
  /** The part of each entry in the sum, in nats, elementwise from log-probabilities of one shape. */
  entry(logStudent: Tensor, logTeacher: Tensor): Tensor;
  /**
   * What the derivatives of the entries by `logStudent` add up to over the vocabulary, if that is always the same: then the gradients
   * need one pass less. Default: it is computed.
   */
  readonly slopeSum?: number;
}

/**
 * KL(teacher ‖ student): the student covers all that the teacher may say (Hinton et al. 2015).
 *
 * @example
 * const entry = forwardKl.entry(input("student", "float32", ["N", "V"]), input("teacher", "float32", ["N", "V"]));
 */
export const forwardKl: Divergence = {
  name: "forward_kl",
  entry: (logStudent, logTeacher) => mul(exp(logTeacher), sub(logTeacher, logStudent)),
  // The entries' slopes are the teacher's probabilities, negated.
  slopeSum: -1,
};

/**
 * KL(student ‖ teacher): the student says nothing that the teacher would not (Gu et al. 2024).
 *
 * @example
 * const entry = reverseKl.entry(input("student", "float32", ["N", "V"]), input("teacher", "float32", ["N", "V"]));
 */
export const reverseKl: Divergence = {
  name: "reverse_kl",
  entry: (logStudent, logTeacher) => mul(exp(logStudent), sub(logStudent, logTeacher)),
};

/**
 * The generalized Jensen-Shannon divergence β KL(teacher ‖ M) + (1 − β) KL(student ‖ M) with M = β teacher + (1 − β) student
 * (Agarwal et al. 2024, equation 1), as TRL's GKD has it: with β = 0 it is {@link forwardKl}, with 1 {@link reverseKl}.
 *
 * @param beta TRL's default is 0.5
 * @throws InputError if it is not between 0 and 1.
 *
 * @example
 * const divergence = jensenShannon(0.5);
 */
export function jensenShannon(beta: number): Divergence {
  if (!(beta >= 0 && beta <= 1))
    throw new InputError(`The Jensen-Shannon divergence has a beta of ${beta}; take a number from 0 to 1.`);
  if (beta === 0) return forwardKl;
  if (beta === 1) return reverseKl;
  return {
    name: `jsd with beta ${beta}`,
    entry(logStudent, logTeacher) {
      const logMixture = logAddExp(
        add(logStudent, scalar(Math.log1p(-beta))),
        add(logTeacher, scalar(Math.log(beta))),
      );
      const toMixture = (logs: Tensor, share: number) =>
        mul(mul(exp(logs), sub(logs, logMixture)), scalar(share));
      return add(toMixture(logTeacher, beta), toMixture(logStudent, 1 - beta));
    },
  };
}

/** log(exp(a) + exp(b)). */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const larger = detach(max(a, b));
  return add(larger, log(add(exp(sub(a, larger)), exp(sub(b, larger)))));
}
