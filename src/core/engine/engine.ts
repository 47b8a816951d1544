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
import { addTo, gatherRows, scatterAddRows, wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type Device, float32, type HostTensor, int64 } from "../runtime/device.ts";
import { chooseQueryChunks, createKeyRanges } from "./attention-mask.ts";
import { createDropoutMask } from "./dropout.ts";
import { createEmbedding, tableWith } from "./embedding.ts";
import { createTables, listWindows, type RotaryTables, rotaryFeeds } from "./layer-context.ts";
import {
  createOutputLayer,
  defaultOutputTile,
  type HeadGradients,
  type HeadWeights,
  type OutputTile,
} from "./output-layer.ts";
import { createProgramCache } from "./program-cache.ts";
import { buildBackward, buildForward, buildWholeStep, gradientName, type HeadOptions } from "./programs.ts";
import {
  blockFeeds,
  firstTrainedLayer,
  headAdapterOf,
  type LayerPlan,
  planLayer,
  type SegmentOptions,
} from "./segment.ts";

export interface EngineOptions {
  /**
   * Decoder blocks per segment. With fewer than the model has, a segment's backward program computes its forward
   * pass again from the segment's input; with all of them one program does the whole step, nothing is computed
   * twice, and every activation is kept.
   */
  readonly segmentSize: number;
  /** How much of the output layer is computed at a time. Default: {@link defaultOutputTile}. */
  readonly outputTile?: OutputTile;
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

export interface Engine {
  /** The log-probability of each of the batch's labels, in nats. */
  score(batch: Batch, parameters: Parameters): Promise<Float64Array>;
  /** The same, with the gradients of the sum of their negatives, each times its weight, added to `gradients`. */
  accumulate(
    batch: Batch,
    parameters: Parameters,
    gradients: Parameters,
    options: AccumulateOptions,
  ): Promise<Float64Array>;
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

type Feeds = Record<string, HostTensor>;

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
  config: ModelConfig,
  weights: ModelWeights,
  adaptation: Adaptation,
  { segmentSize, outputTile = defaultOutputTile }: EngineOptions,
): Engine {
  const { compileOnce, release } = createProgramCache(device);
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
    dropout,
    queryChunks: chooseQueryChunks(batch.length),
  });
  const forward = ({ layers, signature }: Segment, options: SegmentOptions) =>
    compileOnce(`forward ${JSON.stringify(options)} ${signature}`, () =>
      buildForward(config, layers, options),
    );
  const backward = ({ layers, signature, toHidden }: Segment, options: SegmentOptions) =>
    compileOnce(`backward ${JSON.stringify(options)} ${toHidden} ${signature}`, () =>
      buildBackward(config, layers, options, toHidden),
    );
  const outputLayer = createOutputLayer(compileOnce, config, headOptions, outputTile);
  const wholeStep = ({ layers, toHidden }: Segment, options: SegmentOptions) =>
    compileOnce(`whole ${JSON.stringify(options)}`, () =>
      buildWholeStep(config, layers, options, headOptions, toHidden),
    );

  const headWeights = (parameters: Parameters): HeadWeights => ({
    norm: headOptions.trainsNorm ? asHost(parameters.get(normName)!) : weights.norm,
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
  const addGradients = (segment: Segment, results: Feeds, gradients: Parameters) => {
    for (const [block, plan] of segment.layers.entries()) {
      const names = [...plan.trained];
      for (const [module, adapter] of plan.adapters)
        names.push(...adapter.parameters.filter((p) => !p.isFrozen).map((p) => `${module}.${p.name}`));
      for (const name of names) {
        const gradient = results[gradientName(`${block}.${name}`)]!;
        addTo(gradients.get(nameInLayer(segment.start + block, name))!.data, gradient.data as Float32Array);
      }
    }
  };
  const headGradients = (gradients: Parameters): HeadGradients => ({
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

  const runForward = async (
    batch: TokenBatch,
    parameters: Parameters,
    visit?: (hidden: HostTensor) => void,
    dropout?: DropoutKey,
  ): Promise<HostTensor> => {
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const context = contextOf(batch);
    let hidden = await embed(batch.inputIds, dims, parameters);
    for (const segment of segments) {
      if (segment.needsBackward) visit?.(hidden);
      const program = await forward(segment, optionsFor(batch, dropout !== undefined));
      const results = await program.run({
        ...context,
        hidden,
        ...(await feedsOf(segment, parameters, dims, dropout)),
      });
      hidden = results.output!;
    }
    return hidden;
  };

  type Accumulate = (
    batch: Batch,
    parameters: Parameters,
    gradients: Parameters,
    options: { readonly weights: Float32Array; readonly dropout?: DropoutKey },
  ) => Promise<Float64Array>;

  const accumulateWhole: Accumulate = async (batch, parameters, gradients, { weights, dropout }) => {
    const segment = segments[0]!;
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const weightsOfHead = headWeights(parameters);
    const program = await wholeStep(segment, optionsFor(batch, dropout !== undefined));
    const results = await program.run({
      ...contextOf(batch),
      ...(await feedsOf(segment, parameters, dims, dropout)),
      norm: weightsOfHead.norm,
      head: await wholeOf(weightsOfHead.head),
      hidden: await embed(batch.inputIds, dims, parameters),
      labelPositions: int64(batch.labelPositions, [batch.labels.length]),
      labels: int64(batch.labels, [batch.labels.length]),
      weights: float32(weights, [weights.length, 1]),
    });
    addGradients(segment, results, gradients);
    const { norm, head } = headGradients(gradients);
    for (const [name, gradient] of Object.entries({ norm, head }))
      if (gradient) addTo(gradient, results[gradientName(name)]!.data as Float32Array);
    if (embedding.isTrained)
      await addEmbeddingGradients(batch, results[gradientName("hidden")]!, parameters, gradients);
    return Float64Array.from(results.losses!.data as Float32Array, (loss) => -loss);
  };

  const accumulateBySegment: Accumulate = async (batch, parameters, gradients, { weights, dropout }) => {
    const dims = [batch.rows, batch.length, config.hiddenSize];
    const inputs: HostTensor[] = [];
    const last = await runForward(batch, parameters, (hidden) => inputs.push(hidden), dropout);
    const { logProbabilities, dRows } = await outputLayer.accumulate(
      gatherRows(last, batch.labelPositions),
      batch.labels,
      headWeights(parameters),
      headGradients(gradients),
      weights,
      headAdapter && dropout && headDropout(batch, headAdapter.dropout, dropout),
    );
    const dLast = new Float32Array(last.data.length);
    scatterAddRows(dLast, batch.labelPositions, dRows);

    const context = contextOf(batch);
    let dOutput = float32(dLast, dims);
    for (const segment of [...segments].reverse()) {
      if (!segment.needsBackward) break;
      const program = await backward(segment, optionsFor(batch, dropout !== undefined));
      const hidden = inputs.pop()!;
      const results = await program.run({
        ...context,
        ...(await feedsOf(segment, parameters, dims, dropout)),
        hidden,
        dOutput,
      });
      addGradients(segment, results, gradients);
      if (segment.toHidden) dOutput = results[gradientName("hidden")] as typeof dOutput;
    }
    if (embedding.isTrained) await addEmbeddingGradients(batch, dOutput, parameters, gradients);
    return logProbabilities;
  };

  // The program of a whole step knows only an output layer that is plain, or trained as a whole.
  const accumulate =
    segments.length === 1 && !headAdapter && !headRows ? accumulateWhole : accumulateBySegment;
  const adapters = segments.flatMap(({ layers }) => layers.flatMap((plan) => [...plan.adapters.values()]));
  const drops = [...adapters, ...(headAdapter ? [headAdapter] : [])].some(({ dropout }) => dropout > 0);

  /** Which inputs of the output layer's adapter are kept, a row for each label. */
  const headDropout = (batch: Batch, rate: number, { seed, step, microBatch }: DropoutKey) =>
    createDropoutMask([batch.labels.length, config.hiddenSize], rate, seed, [
      step,
      microBatch,
      config.numHiddenLayers,
      0,
    ]);
  const addEmbeddingGradients = (
    batch: Batch,
    dHidden: HostTensor,
    parameters: Parameters,
    gradients: Parameters,
  ) => embedding.accumulate(batch.inputIds, dHidden.data as Float32Array, parameters, gradients);

  return {
    async score(batch, parameters) {
      const hidden = await runForward(batch, parameters);
      const rows = gatherRows(hidden, batch.labelPositions);
      return (await outputLayer.score(rows, batch.labels, headWeights(parameters))).logProbabilities;
    },
    accumulate: (batch, parameters, gradients, { weights, dropout }) =>
      accumulate(batch, parameters, gradients, {
        weights: typeof weights === "number" ? new Float32Array(batch.labels.length).fill(weights) : weights,
        ...(drops && dropout && { dropout }),
      }),
    async logits(batch, positions, parameters) {
      const hidden = await runForward(batch, parameters);
      return outputLayer.logits(gatherRows(hidden, positions), headWeights(parameters));
    },
    release,
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

function asHost({ data, dims }: Parameter): HostTensor {
  return float32(data, dims);
}
