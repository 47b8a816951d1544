/** @file Logistic regression on rows with few features each. */

/** The features that a row has, by number, each once, with their values. */
export interface SparseRow {
  readonly features: readonly number[];
  readonly values: readonly number[];
}

export interface LogisticModel {
  /** [features] */
  readonly weights: Float64Array;
  readonly intercept: number;
  /** What was minimized, at its end. */
  readonly loss: number;
}

export interface LogisticOptions {
  /** Factor of ½ Σ weights². The intercept is not held down. Default 1, as in scikit-learn. */
  readonly penalty?: number;
  /** Default 500. */
  readonly maxIterations?: number;
  /** Ends where no part of the gradient is larger than this share of the number of rows. Default 1e-6. */
  readonly tolerance?: number;
}

/** Steps that the curvature is known from. */
const memory = 10;

/**
 * Fits P(true | row) = σ(weights · row + intercept): minimizes Σ −ln P(label | row) + penalty / 2 Σ weights² by L-BFGS (Liu and Nocedal
 * 1989) with halved steps (Armijo 1966).
 *
 * @param size the number of features
 * @throws RangeError unless there are as many labels as rows, and rows of both labels
 */
export function fitLogisticRegression(
  rows: readonly SparseRow[],
  labels: readonly boolean[],
  size: number,
  { penalty = 1, maxIterations = 500, tolerance = 1e-6 }: LogisticOptions = {},
): LogisticModel {
  if (rows.length !== labels.length) throw new RangeError(`${rows.length} rows and ${labels.length} labels.`);
  if (!labels.includes(true) || !labels.includes(false))
    throw new RangeError("All labels are alike, so that nothing is to be learnt.");
  const measure = (point: Float64Array) => measureLoss(rows, labels, point, penalty);
  let point: Float64Array = new Float64Array(size + 1);
  let { loss, gradient } = measure(point);
  const steps: { step: Float64Array; change: Float64Array; product: number }[] = [];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (gradient.every((part) => Math.abs(part) <= tolerance * rows.length)) break;
    const direction = descend(gradient, steps);
    const slope = dot(direction, gradient);
    let length = iteration === 0 ? 1 / Math.sqrt(-slope) : 1;
    let next = move(point, direction, length);
    let found = measure(next);
    while (found.loss > loss + 1e-4 * length * slope && length > 1e-12) {
      length /= 2;
      next = move(point, direction, length);
      found = measure(next);
    }
    if (!(found.loss < loss)) break;
    const step = move(next, point, -1);
    const change = move(found.gradient, gradient, -1);
    const product = dot(step, change);
    if (product > 0) steps.push({ step, change, product });
    if (steps.length > memory) steps.shift();
    point = next;
    ({ loss, gradient } = found);
  }
  return { weights: point.slice(0, size), intercept: point[size]!, loss };
}

/** P(true | row). Features that the model does not know count for nothing. */
export function predictLogistic({ weights, intercept }: LogisticModel, row: SparseRow): number {
  return sigmoid(scoreOf(row, weights, intercept));
}

function measureLoss(
  rows: readonly SparseRow[],
  labels: readonly boolean[],
  point: Float64Array,
  penalty: number,
): { readonly loss: number; readonly gradient: Float64Array } {
  const size = point.length - 1;
  const gradient = point.map((weight) => penalty * weight);
  gradient[size] = 0;
  let loss = 0;
  for (let i = 0; i < size; i++) loss += (penalty / 2) * point[i]! ** 2;
  for (const [r, row] of rows.entries()) {
    const sign = labels[r] ? 1 : -1;
    const margin = sign * scoreOf(row, point, point[size]!);
    loss += margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin;
    const coefficient = -sign * sigmoid(-margin);
    for (let i = 0; i < row.features.length; i++) gradient[row.features[i]!]! += coefficient * row.values[i]!;
    gradient[size]! += coefficient;
  }
  return { loss, gradient };
}

function scoreOf({ features, values }: SparseRow, weights: Float64Array, intercept: number): number {
  let score = intercept;
  for (let i = 0; i < features.length; i++) score += (weights[features[i]!] ?? 0) * values[i]!;
  return score;
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** −H g, where H is the inverse curvature that the last steps tell of. */
function descend(
  gradient: Float64Array,
  steps: readonly { step: Float64Array; change: Float64Array; product: number }[],
): Float64Array {
  let direction: Float64Array = gradient.map((part) => -part);
  const factors: number[] = [];
  for (const { step, change, product } of steps.toReversed()) {
    const factor = dot(step, direction) / product;
    factors.unshift(factor);
    direction = move(direction, change, -factor);
  }
  const last = steps.at(-1);
  if (last) {
    const scale = last.product / dot(last.change, last.change);
    direction = direction.map((part) => part * scale);
  }
  for (const [i, { step, change, product }] of steps.entries())
    direction = move(direction, step, factors[i]! - dot(change, direction) / product);
  return direction;
}

function move(from: Float64Array, direction: Float64Array, length: number): Float64Array {
  return from.map((value, i) => value + length * direction[i]!);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
