/** @file Runs a model's forward and backward programs, segment by segment, and sums losses and gradients. */

import { type Adaptation, outputModule } from "../adapters/adaptation.ts";
import type { Parameter, Parameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import {
  embeddingName,
  headName,
  listLinearModules,
  nameInLayer,
  normName,
} from "../architectures/modules.ts";
import type { Batch, TokenBatch } from "../data/batch.ts";
import { InputError } from "../errors.ts";
import type { InputBits } from "../graph/operators/rounded-products.ts";
import { addTo, gatherRows, scatterAddRows, wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import type { Divergence } from "../objectives/divergences.ts";
import {
  type AnyTensor,
  asConstant,
  type Device,
  type DeviceTensor,
  float32,
  free,
  type HostTensor,
  int64,
  isOnDevice,
  take,
  takeValues,
  valuesOf,
} from "../runtime/device.ts";
import { chooseQueryChunks, createKeyRanges } from "./attention-mask.ts";
import {
  type Comparison,
  createDivergenceLayer,
  type Predictions,
  wholeLogProbabilities,
} from "./divergence-layer.ts";
import { buildWholeDivergence } from "./divergence-programs.ts";
import { createDropoutMask } from "./dropout.ts";
import { createEmbedding, tableWith } from "./embedding.ts";
import { createTables, listWindows, type RotaryTables, rotaryFeeds } from "./layer-context.ts";
import { createOutputLayer } from "./output-layer.ts";
import { createProgramCache } from "./program-cache.ts";
import { buildBackward, buildForward, buildWholeStep, gradientName, type HeadOptions } from "./programs.ts";
import {
  blockFeeds,
  firstTrainedLayer,
  headAdapterOf,
  type LayerPlan,
  listAdapters,
  planLayer,
  type SegmentOptions,
} from "./segment.ts";
import {
  type AddRows,
  column,
  defaultOutputTile,
  type HeadGradients,
  type HeadWeights,
  type HiddenRows,
  type OutputTile,
  rowsInMemory,
} from "./vocabulary-slices.ts";

export interface EngineOptions {
  /**
   * Decoder blocks per segment. With fewer than the model has, a segment's backward program computes its forward
   * pass again from the segment's input; with all of them one program does the whole step, nothing is computed
   * twice, and every activation is kept.
   */
  readonly segmentSize: number;
  /** How much of the output layer is computed at a time. Default: {@link defaultOutputTile}. */
  readonly outputTile?: OutputTile;
  /** Divides the logits, as it does where texts are drawn, so that log-probabilities are those of the draws. Default 1. */
  readonly temperature?: number;
  /**
   * Bits to which inputs and gradients of frozen quantized weights are rounded by token, so that these products are computed in integers.
   * Default: they are computed in float32.
   */
  readonly inputBits?: InputBits;
}

/** Identifies a micro-batch, for its dropout masks. */
export interface DropoutKey {
  readonly seed: number;
  readonly step: number;
  readonly microBatch: number;
}

export interface AccumulateOptions {
  /** How much the negative log-likelihood of each label counts, or of all alike. Weights may be negative. */
  readonly weights: number | Float32Array;
  /** Adapters that drop some of their inputs do so if it is given. */
  readonly dropout?: DropoutKey;
  /** Divergences whose gradients are added to those of the labels. Default: none. */
  readonly distillation?: DistillationOptions & {
    /** How much the divergence at each position counts, or at all of them alike. */
    readonly weights: number | Float32Array;
  };
  /** Default: none. */
  readonly hiddenLoss?: HiddenLoss;
  /** The gradient of a further loss by {@link Engine.contributions}, of the same shape. Default: there is none. */
  readonly contributionGradient?: Float32Array;
  /** The gradient of a further loss by {@link Engine.states}, of the same shape. Default: there is none. */
  readonly stateGradient?: Float32Array;
}

/** What the next-token distributions of a batch are compared with. */
export interface DistillationOptions {
  /**
   * What a teacher of the same vocabulary says after the tokens at `positions`. Its temperature T divides the student's logits, too;
   * nothing is multiplied by T², as in TRL's GKD and not as in Hinton et al. 2015.
   */
  readonly teacher: Predictions;
  /** Flat positions b * S + s. */
  readonly positions: Int32Array;
  readonly divergence: Divergence;
}

/** A loss that is a function of the hidden state between two blocks. */
export interface HiddenLoss {
  /**
   * The block before which the state is taken; the model's number of blocks for the state after the last, before the final norm.
   * It has to be where a segment begins or the last ends, which with segments of one block is anywhere.
   */
  readonly layer: number;
  /** The gradient of the loss by the state, float32 [B, S, hiddenSize], in row-major order. */
  gradient(state: HostTensor): Float32Array | Promise<Float32Array>;
}

export interface Accumulated {
  /** Of each label, in nats. */
  readonly logProbabilities: Float64Array;
  /** At each of the distillation's positions, in nats; empty without one. */
  readonly divergences: Float64Array;
}

/**
 * The negative log-likelihood of labels together, in nats.
 *
 * @example
 * const loss = sumLosses(Float64Array.of(Math.log(0.5), Math.log(0.25)));
 */
export function sumLosses(logProbabilities: Float64Array): number {
  return -logProbabilities.reduce((sum, value) => sum + value, 0);
}

/** Sums to which gradients are added: in arrays or, of tensors that a device holds, there. */
export interface GradientSums {
  get(name: string): Parameter | undefined;
  /** Takes gradients of tensors of the blocks. Default: they are added to arrays. */
  readonly addOnDevice?: (gradients: ReadonlyMap<string, DeviceTensor>) => Promise<void>;
}

export interface Engine {
  /** Where all that it computes is computed. Default: in several places. */
  readonly device?: Device;
  /** The log-probability of each of the batch's labels, in nats. */
  score(batch: Batch, parameters: Parameters): Promise<Float64Array>;
  /**
   * The same, with the gradients of the sum of their negatives, each times its weight, added to `gradients`; so are those of divergences
   * and of losses on hidden states and on contributions.
   *
   * @throws InputError if the teacher has another vocabulary, or other positions, or the hidden state is inside a segment.
   */
  accumulate(
    batch: Batch,
    parameters: Parameters,
    gradients: GradientSums,
    options: AccumulateOptions,
  ): Promise<Accumulated>;
  /**
   * What the contribution of the last block's attention adapter adds to the hidden state, [rows, length, hiddenSize] in row-major
   * order, padding included.
   *
   * @throws Error if it has none.
   */
  contributions(batch: TokenBatch, parameters: Parameters): Promise<Float32Array>;
  /** What the output layer is given at each of the batch's labels, [labels, hiddenSize] in row-major order: the states after the final norm. */
  states(batch: Batch, parameters: Parameters): Promise<Float32Array>;
  /**
   * What the model says at flat positions, for a student to be compared with. Only hidden rows are kept: the output layer's parameters
   * are read again when a student is compared, so they have to stay as they are until then, and the engine unreleased.
   *
   * @param temperature divides the logits. Default: 1
   * @throws InputError if the temperature is not positive.
   */
  predict(
    batch: TokenBatch,
    positions: Int32Array,
    parameters: Parameters,
    temperature?: number,
  ): Promise<Predictions>;
  /**
   * The divergence from the teacher at each position, in nats.
   *
   * @throws InputError if the teacher has another vocabulary, or other positions.
   */
  divergences(batch: TokenBatch, parameters: Parameters, options: DistillationOptions): Promise<Float64Array>;
  /** The hidden state after the last block, before the final norm: float32 [B, S, hiddenSize]. */
  hidden(batch: TokenBatch, parameters: Parameters): Promise<HostTensor>;
  /** Logits at flat positions b * S + s: float32 [positions, vocabSize] in row-major order. */
  logits(batch: TokenBatch, positions: Int32Array, parameters: Parameters): Promise<Float32Array>;
  release(): Promise<void>;
}

interface Segment {
  readonly start: number;
  readonly layers: readonly LayerPlan[];
  readonly signature: string;
  /** Whether the backward program also gives the gradient below this segment. */
  readonly toHidden: boolean;
  /** Whether anything in this segment or below is trained. */
  readonly needsBackward: boolean;
}

type Feeds = Record<string, AnyTensor>;

/**
 * Prepares a model for computing losses and gradients under an adaptation.
 *
 * Programs are compiled when first needed. Segments that are computed alike share theirs, since weights and trained
 * tensors are inputs.
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const { config, weights, tokenizer } = await openModel("fixtures/embedded-model");
 * const ids = Int32Array.from(encodeText(tokenizer, "Once there was a cat."));
 * const batches = buildMicroBatches([{ ids, trained: new Uint8Array(ids.length).fill(1) }], {
 *   microBatchTokens: 512,
 *   packing: false,
 * });
 * const engine = createEngine(openDevice("cpu"), config, weights, frozen, { segmentSize: 1 });
 * console.log(await engine.score(batches[0]!, new Map()));
 * await engine.release();
 */
export function createEngine(
  device: Device,
  model: ModelConfig,
  weights: ModelWeights,
  adaptation: Adaptation,
  { segmentSize, outputTile = defaultOutputTile, temperature = 1, inputBits }: EngineOptions,
): Engine {
  const config = divideLogits(model, temperature);
  const programs = createProgramCache(device);
  const { compileOnce, compileKeeping, release } = programs;
  const embedding = createEmbedding(compileOnce, config, weights, adaptation);
  const segments = planSegments(config, adaptation, segmentSize, embedding.isTrained);
  const headParameter = config.tieWordEmbeddings ? embeddingName : headName;
  const headRows = adaptation.rowsOf?.(headParameter);
  const headAdapter = headAdapterOf(config, adaptation);
  const headOptions: HeadOptions = {
    headDtype: (adaptation.trains(headParameter)
      ? "float32"
      : weights.head.dtype) as HeadOptions["headDtype"],
    trainsNorm: adaptation.trains(normName),
    trainsHead: adaptation.trains(headParameter),
    trainsRows: headRows !== undefined,
    adapter: headAdapter,
  };
  const moduleInputs = new Map(listLinearModules(config).map(({ name, inFeatures }) => [name, inFeatures]));

  const optionsFor = (batch: TokenBatch, dropout: boolean): SegmentOptions => ({
    storage: weights.storage,
    ...(inputBits && { inputBits }),
    dropout,
    queryChunks: chooseQueryChunks(batch.length),
  });
  const forward = ({ layers, signature }: Segment, options: SegmentOptions) =>
    compileKeeping(`forward ${JSON.stringify(options)} ${signature}`, () =>
      buildForward(config, layers, options),
    );
  /** @param keeps whether the gradients of trained tensors stay where they are computed */
  const backward = (segment: Segment, options: SegmentOptions, keeps: boolean) => {
    const { layers, signature, toHidden } = segment;
    return compileKeeping(
      `backward ${JSON.stringify(options)} ${toHidden} ${keeps} ${signature}`,
      () => buildBackward(config, layers, options, toHidden),
      (name) => keeps || name === gradientName("hidden"),
    );
  };
  const outputLayer = createOutputLayer(programs, config, headOptions, outputTile);
  const divergenceLayer = createDivergenceLayer(programs, config, headOptions, outputTile);
  /** @param keeps as of `backward` */
  const wholeStep = (segment: Segment, options: SegmentOptions, keeps: boolean) =>
    compileKeeping(
      `whole ${keeps} ${JSON.stringify(options)}`,
      () => buildWholeStep(config, segment.layers, options, headOptions, segment.toHidden),
      (name) => keeps && isOfBlocks(name),
    );

  const wholeDivergence = (
    segment: Segment,
    options: SegmentOptions,
    keeps: boolean,
    temperature: number,
    divergence: Divergence,
  ) => {
    const { layers, toHidden } = segment;
    return compileKeeping(
      `whole ${keeps} ${divergence.name} ${temperature} ${JSON.stringify(options)}`,
      () => buildWholeDivergence(config, layers, options, headOptions, toHidden, temperature, divergence),
      (name) => keeps && isOfBlocks(name),
    );
  };

  const headWeights = (parameters: Parameters): HeadWeights => ({
    norm: headOptions.trainsNorm ? asHost(parameters.get(normName)!) : asConstant(weights.norm),
    head: tableWith(adaptation, parameters, headParameter, weights.head),
    ...(headRows && { rows: { indices: headRows.indices, values: parameters.get(headRows.name)!.data } }),
    adapter: Object.fromEntries(
      (headAdapter?.parameters ?? []).map(({ name }) => [
        name,
        asHost(parameters.get(`${outputModule}.${name}`)!),
      ]),
    ),
  });

  const windows = listWindows(config);
  const rotaryTables = new Map<number, RotaryTables>();
  const contextOf = (batch: TokenBatch): Feeds => {
    const tables = rotaryTables.get(batch.length) ?? createTables(config, batch.length);
    rotaryTables.set(batch.length, tables);
    const ranges = createKeyRanges(batch, chooseQueryChunks(batch.length), windows);
    return { ...rotaryFeeds(config, tables, batch), ...ranges };
  };

  const feedsOf = async (
    segment: Segment,
    parameters: Parameters,
    dims: readonly number[],
    dropout?: DropoutKey,
  ): Promise<Feeds> => {
    const feeds: Feeds = {};
    for (const [block, plan] of segment.layers.entries()) {
      const layer = segment.start + block;
      Object.assign(feeds, await blockFeeds(`${block}`, layer, plan, weights, parameters));
      for (const [index, [module, adapter]] of [...plan.adapters].entries()) {
        if (!dropout || adapter.dropout === 0) continue;
        const counters = [dropout.step, dropout.microBatch, layer, index];
        const maskDims = [...dims.slice(0, 2), moduleInputs.get(module)!];
        feeds[`${block}.${module}.dropout`] = createDropoutMask(
          maskDims,
          adapter.dropout,
          dropout.seed,
          counters,
        );
      }
    }
    return feeds;
  };

  /** Adds the gradients that a program gave for a segment's trained tensors. */
  const addGradients = async (segment: Segment, results: Feeds, gradients: GradientSums) => {
    const onDevice = new Map<string, DeviceTensor>();
    for (const [output, name] of listGradients(segment)) {
      const gradient = results[output]!;
      if (isOnDevice(gradient)) onDevice.set(name, gradient);
      else addTo(gradients.get(name)!.data, gradient.data as Float32Array);
    }
    if (onDevice.size > 0) await gradients.addOnDevice!(onDevice);
  };
  const headGradients = (gradients: GradientSums): HeadGradients => ({
    ...(headOptions.trainsNorm && { norm: gradients.get(normName)!.data }),
    ...(headOptions.trainsHead && { head: gradients.get(headParameter)!.data }),
    ...(headRows && { rows: gradients.get(headRows.name)!.data }),
    ...(headAdapter && {
      adapter: Object.fromEntries(
        headAdapter.parameters
          .filter(({ isFrozen }) => !isFrozen)
          .map(({ name }) => [name, gradients.get(`${outputModule}.${name}`)!.data]),
      ),
    }),
  });

  const embed = async (
    inputIds: Int32Array,
    dims: readonly number[],
    parameters: Parameters,
  ): Promise<HostTensor> => float32(await embedding.embed(inputIds, parameters), dims);

  /** Rows of a hidden state at flat positions. */
  const rowsAt = (hidden: AnyTensor, positions: Int32Array): HiddenRows =>
    isOnDevice(hidden)
      ? {
          count: positions.length,
          between: (start, end) => device.operations!.rowsAt(hidden, positions.subarray(start, end)),
        }
      : rowsInMemory(gatherRows(hidden, positions), config.hiddenSize);

  /** Adds up gradients of rows of a hidden state, of whose shape the sum is. */
  const sumRows = (hidden: AnyTensor) => {
    let onDevice: DeviceTensor | undefined;
    const sum = new Float32Array(hidden.dims.reduce((size, dim) => size * dim));
    return {
      addAt:
        (positions: Int32Array): AddRows =>
        async (rows, start, end) => {
          const some = positions.subarray(start, end);
          if (isOnDevice(rows) && isOnDevice(hidden))
            onDevice = await device.operations!.addRows(onDevice, hidden, some, rows);
          else scatterAddRows(sum, some, valuesOf(rows));
        },
      sum: () => onDevice ?? float32(sum, hidden.dims),
    };
  };

  /**
   * @param visit is given what goes into each segment, and says whether that is kept; else it is freed
   * @returns the last block's "output" and, where its adapter has one, "contribution"
   */
  const runSegments = async (
    batch: TokenBatch,
    parameters: Parameters,
    visit?: (hidden: AnyTensor, segment: Segment) => Promise<boolean>,
    dropout?: DropoutKey,
  ): Promise<Feeds> => {
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const context = contextOf(batch);
    let results: Feeds = { output: await embed(batch.inputIds, dims, parameters) };
    for (const segment of segments) {
      const { output, contribution } = results;
      const hidden = output!;
      free(contribution);
      const isKept = await visit?.(hidden, segment);
      const program = await forward(segment, optionsFor(batch, dropout !== undefined));
      results = await program.run({
        ...context,
        hidden,
        ...(await feedsOf(segment, parameters, dims, dropout)),
      });
      if (!isKept) free(hidden);
    }
    return results;
  };
  const runForward = async (batch: TokenBatch, parameters: Parameters): Promise<AnyTensor> => {
    const { output, contribution } = await runSegments(batch, parameters);
    free(contribution);
    return output!;
  };
  /** Calls `use` with rows of the last block's output at flat positions. */
  const withRows = async <T>(
    batch: TokenBatch,
    positions: Int32Array,
    parameters: Parameters,
    use: (rows: HiddenRows) => Promise<T>,
  ): Promise<T> => {
    const hidden = await runForward(batch, parameters);
    const result = await use(rowsAt(hidden, positions));
    free(hidden);
    return result;
  };

  type Accumulate = (
    batch: Batch,
    parameters: Parameters,
    gradients: GradientSums,
    options: AccumulateOptions & { readonly weights: Float32Array },
  ) => Promise<Accumulated>;

  /** What a program of a whole step is fed, beside what its loss is of. */
  const wholeFeeds = async (batch: Batch, parameters: Parameters, dropout?: DropoutKey): Promise<Feeds> => {
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const { norm, head } = headWeights(parameters);
    return {
      ...contextOf(batch),
      ...(await feedsOf(segments[0]!, parameters, dims, dropout)),
      norm,
      head: await wholeOf(head),
      hidden: await embed(batch.inputIds, dims, parameters),
    };
  };
  const addWholeGradients = async (
    batch: Batch,
    results: Feeds,
    parameters: Parameters,
    gradients: GradientSums,
  ) => {
    await addGradients(segments[0]!, results, gradients);
    const { norm, head } = headGradients(gradients);
    for (const [name, gradient] of Object.entries({ norm, head }))
      if (gradient) addTo(gradient, valuesOf(results[gradientName(name)]!));
    if (embedding.isTrained)
      await addEmbeddingGradients(batch, results[gradientName("hidden")]!, parameters, gradients);
  };

  const accumulateWhole: Accumulate = async (batch, parameters, gradients, { weights, dropout }) => {
    const options = optionsFor(batch, dropout !== undefined);
    const program = await wholeStep(segments[0]!, options, gradients.addOnDevice !== undefined);
    const results = await program.run({
      ...(await wholeFeeds(batch, parameters, dropout)),
      labelPositions: int64(batch.labelPositions, [batch.labels.length]),
      labels: int64(batch.labels, [batch.labels.length]),
      weights: column(weights),
    });
    await addWholeGradients(batch, results, parameters, gradients);
    const logProbabilities = Float64Array.from(valuesOf(results.losses!), (loss) => -loss);
    return { logProbabilities, divergences: new Float64Array() };
  };

  const accumulateWholeDivergence = async (
    batch: Batch,
    parameters: Parameters,
    gradients: GradientSums,
    distillation: Required<AccumulateOptions>["distillation"],
    dropout?: DropoutKey,
  ): Promise<Accumulated> => {
    const { teacher, divergence } = checkComparison(distillation);
    const { positions, weights } = distillation;
    const options = optionsFor(batch, dropout !== undefined);
    const program = await wholeDivergence(
      segments[0]!,
      options,
      gradients.addOnDevice !== undefined,
      teacher.temperature,
      divergence,
    );
    const results = await program.run({
      ...(await wholeFeeds(batch, parameters, dropout)),
      positions: int64(positions, [positions.length]),
      logTeacher: await wholeLogProbabilities(teacher, outputTile.entries),
      scale: column(asWeights(weights, positions.length)),
    });
    await addWholeGradients(batch, results, parameters, gradients);
    const divergences = Float64Array.from(valuesOf(results.divergence!));
    return { logProbabilities: new Float64Array(), divergences };
  };

  const accumulateBySegment: Accumulate = async (batch, parameters, gradients, options) => {
    const { weights, dropout, distillation, hiddenLoss, contributionGradient, stateGradient } = options;
    const comparison = distillation && checkComparison(distillation);
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const inputs: AnyTensor[] = [];
    let ofState: Float32Array | undefined;
    const visitState = async (state: AnyTensor, layer: number) => {
      if (hiddenLoss?.layer !== layer) return;
      ofState = await hiddenLoss.gradient(isOnDevice(state) ? await state.read() : state);
    };
    const addOfState = async (dState: AnyTensor, layer: number): Promise<AnyTensor> => {
      if (!ofState || hiddenLoss?.layer !== layer) return dState;
      const there = await take(dState);
      addTo(there.data as Float32Array, ofState);
      return there;
    };
    const visit = async (hidden: AnyTensor, { start, needsBackward }: Segment) => {
      if (needsBackward) inputs.push(hidden);
      await visitState(hidden, start);
      return needsBackward;
    };
    const { output, contribution } = await runSegments(batch, parameters, visit, dropout);
    const last = output!;
    await visitState(last, config.numHiddenLayers);
    const ofHead = [headWeights(parameters), headGradients(gradients)] as const;
    const rows = rowsAt(last, batch.labelPositions);
    const dLast = sumRows(last);
    const addLabelRows = dLast.addAt(batch.labelPositions);
    const logProbabilities = await outputLayer.accumulate(
      rows,
      batch.labels,
      ...ofHead,
      weights,
      addLabelRows,
      headDropout(batch.labels.length, 0, dropout),
    );
    if (stateGradient) await outputLayer.accumulateStates(rows, ...ofHead, stateGradient, addLabelRows);
    let divergences: Float64Array = new Float64Array();
    if (comparison) {
      const { positions, weights } = distillation;
      divergences = await divergenceLayer.accumulate(
        rowsAt(last, positions),
        ...ofHead,
        comparison,
        asWeights(weights, positions.length),
        dLast.addAt(positions),
        headDropout(positions.length, 1, dropout),
      );
    }
    free(last);
    free(contribution);

    const context = contextOf(batch);
    const keeps = gradients.addOnDevice !== undefined;
    let dOutput = await addOfState(dLast.sum(), config.numHiddenLayers);
    const dContribution =
      contribution &&
      float32(contributionGradient ?? new Float32Array(batch.inputIds.length * config.hiddenSize), dims);
    for (const segment of [...segments].reverse()) {
      if (!segment.needsBackward) break;
      const program = await backward(segment, optionsFor(batch, dropout !== undefined), keeps);
      const hidden = inputs.pop()!;
      const results = await program.run({
        ...context,
        ...(await feedsOf(segment, parameters, dims, dropout)),
        hidden,
        dOutput,
        ...(dContribution && segment === segments.at(-1) && { dContribution }),
      });
      free(hidden);
      free(dOutput);
      await addGradients(segment, results, gradients);
      if (!segment.toHidden) continue;
      dOutput = await addOfState(results[gradientName("hidden")]!, segment.start);
    }
    if (embedding.isTrained) await addEmbeddingGradients(batch, dOutput, parameters, gradients);
    else free(dOutput);
    return { logProbabilities, divergences };
  };

  // Programs of a whole step know only an output layer that is plain, or trained as a whole; losses of labels, or a divergence.
  const isWhole = segments.length === 1 && !headAdapter && !headRows;
  const adapters = segments.flatMap(({ layers }) => layers.flatMap((plan) => [...plan.adapters.values()]));
  const drops = [...adapters, ...(headAdapter ? [headAdapter] : [])].some(({ dropout }) => dropout > 0);

  /** Which inputs of the output layer's adapter are kept: a row for each label (draw 0) or position of the distillation (draw 1). */
  const headDropout = (rows: number, draw: number, dropout: DropoutKey | undefined) =>
    headAdapter &&
    dropout &&
    createDropoutMask([rows, config.hiddenSize], headAdapter.dropout, dropout.seed, [
      dropout.step,
      dropout.microBatch,
      config.numHiddenLayers,
      draw,
    ]);
  const checkComparison = ({ teacher, positions, divergence }: DistillationOptions): Comparison => {
    if (teacher.vocabSize !== config.vocabSize)
      throw new InputError(
        `The teacher's vocabulary has ${teacher.vocabSize} entries, and the student's ${config.vocabSize}; distill from a teacher with the student's tokenizer and vocabulary.`,
      );
    if (teacher.count !== positions.length)
      throw new InputError(
        `The teacher has predictions for ${teacher.count} positions, and the student is compared at ${positions.length}; predict at the same ones.`,
      );
    return { teacher, divergence };
  };
  const checkHiddenLoss = ({ layer }: HiddenLoss) => {
    if (layer === config.numHiddenLayers || segments.some(({ start }) => start === layer)) return;
    throw new InputError(
      `The hidden state before block ${layer} is not between two segments of ${segmentSize} of the model's ${config.numHiddenLayers} blocks; take a segmentSize of 1, or a layer where a segment begins.`,
    );
  };
  const addEmbeddingGradients = async (
    batch: Batch,
    dHidden: AnyTensor,
    parameters: Parameters,
    gradients: GradientSums,
  ) => embedding.accumulate(batch.inputIds, await takeValues(dHidden), parameters, gradients);

  return {
    device,
    async score(batch, parameters) {
      return withRows(batch, batch.labelPositions, parameters, async (rows) => {
        const scores = await outputLayer.score(rows, batch.labels, headWeights(parameters));
        return scores.logProbabilities;
      });
    },
    async accumulate(batch, parameters, gradients, { weights, dropout, ...losses }) {
      const { distillation, hiddenLoss, contributionGradient, stateGradient } = losses;
      if (hiddenLoss) checkHiddenLoss(hiddenLoss);
      const key = drops ? dropout : undefined;
      const isOfOutput = !hiddenLoss && !contributionGradient && !stateGradient;
      if (isWhole && distillation && isOfOutput && batch.labels.length === 0)
        return accumulateWholeDivergence(batch, parameters, gradients, distillation, key);
      const accumulate = isWhole && !distillation && isOfOutput ? accumulateWhole : accumulateBySegment;
      return accumulate(batch, parameters, gradients, {
        ...losses,
        weights: asWeights(weights, batch.labels.length),
        ...(key && { dropout: key }),
      });
    },
    async contributions(batch, parameters) {
      const { output, contribution } = await runSegments(batch, parameters);
      free(output);
      if (!contribution) throw new Error("The last block's attention adapter has no contribution.");
      return await takeValues(contribution);
    },
    states: (batch, parameters) =>
      withRows(batch, batch.labelPositions, parameters, (rows) =>
        outputLayer.states(rows, headWeights(parameters)),
      ),
    async predict(batch, positions, parameters, temperature = 1) {
      if (!(temperature > 0))
        throw new InputError(
          `The teacher's temperature is ${temperature}, which divides logits; take a positive number.`,
        );
      return withRows(batch, positions, parameters, (rows) =>
        divergenceLayer.predict(rows, headWeights(parameters), temperature),
      );
    },
    async divergences(batch, parameters, options) {
      const comparison = checkComparison(options);
      return withRows(batch, options.positions, parameters, (rows) =>
        divergenceLayer.measure(rows, headWeights(parameters), comparison),
      );
    },
    hidden: async (batch, parameters) => take(await runForward(batch, parameters)),
    logits: (batch, positions, parameters) =>
      withRows(batch, positions, parameters, (rows) => outputLayer.logits(rows, headWeights(parameters))),
    release,
  };
}

/** The model with its logits divided by the temperature, which a cap of them has to follow. */
function divideLogits(config: ModelConfig, temperature: number): ModelConfig {
  if (temperature === 1) return config;
  const { logitScale = 1, logitSoftcap } = config;
  return {
    ...config,
    logitScale: logitScale / temperature,
    ...(logitSoftcap !== undefined && { logitSoftcap: logitSoftcap / temperature }),
  };
}

function planSegments(
  config: ModelConfig,
  adaptation: Adaptation,
  segmentSize: number,
  trainsEmbedding: boolean,
): Segment[] {
  const plans = Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    planLayer(config, layer, adaptation),
  );
  const firstTrained = trainsEmbedding ? -1 : firstTrainedLayer(plans);
  const segments: Segment[] = [];
  for (let start = 0; start < plans.length; start += segmentSize) {
    const layers = plans.slice(start, start + segmentSize);
    segments.push({
      start,
      layers,
      signature: layers.map((plan) => plan.signature).join(),
      // The lowest trained segment of several needs no gradient below it, but a program without would take memory of its own.
      toHidden: firstTrained < start || segmentSize < plans.length,
      needsBackward: firstTrained < start + layers.length,
    });
  }
  return segments;
}

/** Of each gradient of a segment's trained tensors: the program's output, and the tensor's name. */
function listGradients({ start, layers }: Segment): (readonly [output: string, name: string])[] {
  return layers.flatMap((plan, block) => {
    const names = [...plan.trained];
    for (const [module, adapter] of listAdapters(plan))
      names.push(...adapter.parameters.filter((p) => !p.isFrozen).map((p) => `${module}.${p.name}`));
    return names.map((name) => [gradientName(`${block}.${name}`), nameInLayer(start + block, name)] as const);
  });
}

/** Whether an output of a program of a whole step is the gradient of a tensor of its blocks. */
function isOfBlocks(name: string): boolean {
  return / of \d+\./.test(name);
}

function asWeights(weights: number | Float32Array, count: number): Float32Array {
  return typeof weights === "number" ? new Float32Array(count).fill(weights) : weights;
}

function asHost({ data, dims }: Parameter): HostTensor {
  return float32(data, dims);
}
