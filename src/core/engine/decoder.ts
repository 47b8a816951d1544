/** @file Runs a model over new tokens after a cached past: for scoring texts that share a beginning, and for writing. */

import { outputModule } from "../adapters/adaptation.ts";
import type { Adapter } from "../adapters/adapted-model.ts";
import { tensorOf } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import type { Past } from "../architectures/attention.ts";
import {
  countBlockParameters,
  embeddingName,
  groupLinearModules,
  headName,
  normName,
} from "../architectures/modules.ts";
import type { BitWidth } from "../graph/operators/integer-matmul.ts";
import type { InputBits } from "../graph/operators/rounded-products.ts";
import { constant } from "../graph/tensor.ts";
import { blockwiseWeights, readStoredWeight, type StoredWeight, storedWeight } from "../models/linear.ts";
import { gatherRows, wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { quantizeBlockwise } from "../quantization/blockwise.ts";
import {
  type AnyTensor,
  type Device,
  float32,
  type HostTensor,
  int64,
  type Program,
} from "../runtime/device.ts";
import { chooseQueryChunks, createCacheMask, createKeyRanges, type NewTokens } from "./attention-mask.ts";
import { createEmbedding, tableWith } from "./embedding.ts";
import type { KeyValues } from "./key-values.ts";
import { createTables, listWindows, rotaryFeeds } from "./layer-context.ts";
import { createOutputLayer, type TokenScores } from "./output-layer.ts";
import { type PreparedAdapters, prepareAdapters } from "./prepare-adapters.ts";
import { createProgramCache } from "./program-cache.ts";
import {
  buildCachedBlocks,
  buildFirstBlocks,
  buildHead,
  cacheName,
  headTensorName,
  maskName,
  stepMaskName,
} from "./programs.ts";
import { type BlockSource, blockFeeds, planLayer } from "./segment.ts";
import { defaultOutputTile, type HeadWeights, rowsInMemory } from "./vocabulary-slices.ts";

export interface DecoderOptions {
  /**
   * Quantizes the weights of {@link Decoder.step} to so many bits, in blocks of 32, and its inputs to 8. It is faster
   * for few rows, and not the same model: differences of the logits grow with fewer bits. Default: the weights as they are.
   */
  readonly stepBits?: BitWidth;
  /**
   * Bits to which the inputs of quantized weights are rounded by token in {@link Decoder.extend}, so that these products are computed in
   * integers. Default: they are computed in float32.
   */
  readonly inputBits?: InputBits;
  /** Whether {@link Decoder.step} may be given several tokens per row, which costs a single one some 4 % more. Default false. */
  readonly stepsSeveral?: boolean;
}

/** What follows from new tokens. */
export interface Extension {
  /** The last block's output, float32 [rows, length, hiddenSize]. */
  readonly hidden: HostTensor;
  /** Keys and values of the new tokens. */
  readonly keyValues: KeyValues;
}

export interface Decoder {
  /**
   * Computes new tokens after `past`, of whose places the first `filled[row]` hold tokens. A past of one row is shared
   * by all rows.
   */
  extend(tokens: NewTokens, past: KeyValues, filled: Int32Array): Promise<Extension>;
  /**
   * The same for one new token per row, or for few if {@link DecoderOptions.stepsSeveral}, with the logits after each, float32
   * [rows, length, vocabSize]. The blocks run as one program, and with the weights that {@link DecoderOptions.stepBits} asks for.
   */
  step(
    tokens: NewTokens,
    past: KeyValues,
    filled: Int32Array,
  ): Promise<{ readonly logits: Float32Array; readonly keyValues: KeyValues }>;
  /** Log-probabilities of labels after rows of {@link Extension.hidden}, given by flat positions b * S + s. */
  score(hidden: HostTensor, positions: Int32Array, labels: Int32Array): Promise<TokenScores>;
  /**
   * Logits after rows of {@link Extension.hidden}: float32 [positions, vocabSize], with the output layer as it is stored.
   */
  logits(hidden: HostTensor, positions: Int32Array): Promise<Float32Array>;
  /**
   * Computes with the adapter's tensors as they are from now on, where they have been changed in place; its programs stay. What
   * {@link DecoderOptions.stepBits} has quantized stays as well, so that of trained weights it has to be left out.
   */
  refresh(): void;
  release(): Promise<void>;
}

type Feeds = Record<string, AnyTensor>;

/** A run of blocks as one program, and where its blocks' weights come from. */
interface Span {
  readonly start: number;
  /** @param past what the cache holds, or the chunks of the queries if it holds nothing */
  readonly program: (past: Past | number) => Promise<Program>;
  readonly feeds: () => Promise<Feeds>;
  readonly blocks: number;
}

/** A program that holds its weights is given no more than this, in bytes: an ONNX model may have 2 GB. */
const programBytes = 2 ** 29;

/**
 * Prepares a model, with an adapter, for computing after a cache. Programs are compiled when first needed.
 *
 * @example
 * // The log-probability of "b" after "a".
 * const { openDevice, openModel } = await import("slimtune");
 * const model = await openModel("fixtures/embedded-model");
 * const [a, b] = model.tokenizer.encode("ab") as [number, number];
 * const decoder = createDecoder(openDevice("cpu"), model, noAdapter);
 * const { hidden } = await decoder.extend(
 *   { rows: 1, length: 1, inputIds: Int32Array.of(a), positionIds: Int32Array.of(0) },
 *   { rows: 1, length: 0, keys: [], values: [] },
 *   Int32Array.of(0),
 * );
 * console.log((await decoder.score(hidden, Int32Array.of(0), Int32Array.of(b))).logProbabilities);
 * await decoder.release();
 */
export function createDecoder(
  device: Device,
  { config, weights }: { readonly config: ModelConfig; readonly weights: ModelWeights },
  { adaptation, parameters }: Adapter,
  { stepBits, inputBits, stepsSeveral = false }: DecoderOptions = {},
): Decoder {
  const programs = createProgramCache(device);
  const { compileOnce, release } = programs;

  const embedding = createEmbedding(compileOnce, config, weights, adaptation);
  const headTensor = config.tieWordEmbeddings ? embeddingName : headName;
  const table = tableWith(adaptation, parameters, headTensor, weights.head);
  const preparedHead = once(async () => {
    // Rows that are trained are put in once, until the next refresh.
    const head = adaptation.rowsOf?.(headTensor) ? await wholeOf(table) : table;
    const norm = await wholeOf(tableWith(adaptation, parameters, normName, weights.norm));
    const { head: adapter, parameters: withPrepared } = await prepared();
    const tensors = (adapter?.parameters ?? []).map(({ name }) => [
      name,
      tensorOf(withPrepared.get(`${outputModule}.${name}`)!),
    ]);
    const headWeights: HeadWeights = { norm, head, adapter: Object.fromEntries(tensors) };
    const options = { headDtype, trainsNorm: false, trainsHead: false, trainsRows: false, adapter };
    const layer = createOutputLayer(programs, config, options, defaultOutputTile);
    return { headWeights, layer, adapter };
  });

  const headDtype = table.dtype as "float32" | "float16";

  const asStored =
    (inputBits?: InputBits) =>
    (block: number): BlockSource => ({
      weightOf: (name, outFeatures, inFeatures) =>
        storedWeight(`${block}.${name}`, outFeatures, inFeatures, weights.storage, inputBits),
    });
  /** One block at a time, by the same program where blocks are alike. */
  const singleBlocks = ({ plans, parameters }: PreparedAdapters): Span[] =>
    plans.map((plan, layer) => ({
      start: layer,
      blocks: 1,
      feeds: () => blockFeeds("0", layer, plan, weights, parameters),
      program: (past) =>
        compileOnce(`block ${past} ${plan.signature}`, () =>
          typeof past === "number"
            ? buildFirstBlocks(config, [plan], past, asStored(inputBits))
            : buildCachedBlocks(config, [plan], "S", past, asStored(inputBits)),
        ),
    }));

  const createSpan = ({ plans, parameters }: PreparedAdapters, start: number, end: number): Span => {
    const blocks = plans.slice(start, end);
    const readFeeds = async () => {
      const feeds: Feeds = {};
      for (const [block, plan] of blocks.entries())
        Object.assign(feeds, await blockFeeds(`${block}`, start + block, plan, weights, parameters));
      return feeds;
    };
    const sourceOf = async (block: number): Promise<BlockSource> => {
      if (stepBits === undefined) return asStored()(block);
      // With those that are trained in their place.
      const tensors = (await blockFeeds("", start + block, blocks[block]!, weights, parameters)) as Record<
        string,
        HostTensor
      >;
      const quantized = new Map<string, StoredWeight>();
      for (const modules of groupLinearModules(config)) {
        const products = blockwiseWeights(
          modules.map(({ name, inFeatures }) =>
            quantizeBlockwise(readStoredWeight(tensors, `.${name}.weight`), inFeatures, stepBits),
          ),
        );
        for (const [index, { name }] of modules.entries()) quantized.set(`${name}.weight`, products[index]!);
      }
      return {
        weightOf: (name) => quantized.get(name)!,
        vectorOf(name) {
          const { dims, data } = tensors[`.${name}`]!;
          return constant("float32", dims, data);
        },
      };
    };
    const program = () =>
      compileOnce(`step ${start}`, async () => {
        const sources: BlockSource[] = [];
        for (const block of blocks.keys()) sources.push(await sourceOf(block));
        const length = stepsSeveral ? "S" : 1;
        return buildCachedBlocks(config, blocks, length, "step", (block) => sources[block]!);
      });
    // Each tensor that is given costs time, even if the program has it.
    const neededFeeds = async () => {
      const { inputNames } = await program();
      const feeds = Object.entries(await readFeeds());
      return Object.fromEntries(feeds.filter(([name]) => inputNames.includes(name)));
    };
    return {
      start,
      blocks: end - start,
      // Of a block that is quantized nothing but adapters is given.
      feeds: weights.readsBlocks && stepBits === undefined ? readFeeds : once(neededFeeds),
      program,
    };
  };
  const stepSpans = (prepared: PreparedAdapters): Span[] => {
    const count = config.numHiddenLayers;
    // Blocks that are read are in memory one at a time.
    if (stepBits === undefined)
      return weights.readsBlocks ? singleBlocks(prepared) : [createSpan(prepared, 0, count)];
    const blockBytes = (countBlockParameters(config) * stepBits) / 8;
    const blocks = weights.readsBlocks ? 1 : Math.max(1, Math.floor(programBytes / blockBytes));
    const spans: Span[] = [];
    for (let start = 0; start < count; start += blocks)
      spans.push(createSpan(prepared, start, Math.min(start + blocks, count)));
    return spans;
  };
  const prepared = once(() => {
    const plans = Array.from({ length: config.numHiddenLayers }, (_, layer) =>
      planLayer(config, layer, adaptation),
    );
    return prepareAdapters(device, { config, weights }, plans, { adaptation, parameters });
  });
  const singles = once(async () => singleBlocks(await prepared()));
  const steps = once(async () => stepSpans(await prepared()));

  let tables = createTables(config, 0);
  /** Rows of the rotary tables. ONNX Runtime wants as many of them as a text has tokens, even where several share a position. */
  const tableFeeds = (tokens: NewTokens): Feeds => {
    const needed = tokens.positionIds.reduce((most, position) => Math.max(most, position + 1), tokens.length);
    if (tables.positions < needed) {
      const more = Math.min(2 ** Math.ceil(Math.log2(needed)), config.maxPositionEmbeddings);
      tables = createTables(config, Math.max(needed, more));
    }
    return rotaryFeeds(config, tables, tokens);
  };

  const windows = listWindows(config);
  /** Which program computes new tokens, and its masks. */
  const chooseProgram = (
    tokens: NewTokens,
    past: KeyValues,
    filled: Int32Array,
  ): { readonly kind: Past | number; readonly masks: Feeds } => {
    const { rows, length, branchIds } = tokens;
    const chunks = chooseQueryChunks(length);
    if (past.length === 0 && chunks > 1 && !branchIds) {
      const batch = { rows, length, segmentIds: new Int32Array(rows * length).fill(1) };
      return { kind: chunks, masks: createKeyRanges(batch, chunks, windows) };
    }
    const kind = past.length === 0 ? 1 : past.rows === rows ? "own" : "shared";
    const masks: Feeds = {};
    for (const [index, window] of windows.entries()) {
      const mask = createCacheMask(tokens, past.length, filled, window);
      masks[maskName(index)] = mask;
      masks[stepMaskName(index)] = float32(mask.data as Float32Array, [
        rows,
        length,
        1,
        1,
        1,
        past.length + length,
      ]);
    }
    return { kind, masks };
  };

  const run = async (
    spans: readonly Span[],
    tokens: NewTokens,
    past: KeyValues,
    filled: Int32Array,
  ): Promise<Extension> => {
    const { rows, length } = tokens;
    const { numKeyValueHeads: groups, headDim } = config;
    const { kind, masks } = chooseProgram(tokens, past, filled);
    const shared: Feeds = {
      ...tableFeeds(tokens),
      sizes: int64(Int32Array.of(past.length, length), [2]),
      ...masks,
    };
    const pastDims = [past.rows, 1, groups, 1, past.length, headDim];
    const keys: Float32Array[] = [];
    const values: Float32Array[] = [];
    const embedded = await embedding.embed(tokens.inputIds, parameters);
    let hidden: HostTensor = float32(embedded, [rows, length, config.hiddenSize]);
    for (const span of spans) {
      const feeds: Feeds = { ...shared, ...(await span.feeds()), hidden };
      for (let block = 0; block < span.blocks; block++)
        for (const each of ["keys", "values"] as const)
          feeds[cacheName(block, each, "past")] = float32(past[each][span.start + block]!, pastDims);
      const results = await (await span.program(kind)).run(feeds);
      for (let block = 0; block < span.blocks; block++) {
        keys.push(results[cacheName(block, "keys", "new")]!.data as Float32Array);
        values.push(results[cacheName(block, "values", "new")]!.data as Float32Array);
      }
      hidden = results.output!;
    }
    return { hidden, keyValues: { rows, length, keys, values } };
  };

  const [vocabSize, hiddenSize] = table.dims as [number, number];
  const quantizeHead = (head: HostTensor, bits: BitWidth): StoredWeight =>
    blockwiseWeights([quantizeBlockwise(readStoredWeight({ head }, "head"), hiddenSize, bits)])[0]!;
  const runHead = async (rows: Float32Array, bits: BitWidth | undefined): Promise<Float32Array> => {
    const { headWeights, adapter } = await preparedHead();
    const { norm } = headWeights;
    const head = await wholeOf(headWeights.head);
    const program = await compileOnce(`head ${bits}`, () => {
      const weight =
        bits === undefined
          ? storedWeight("head", vocabSize, hiddenSize, headDtype)
          : quantizeHead(head, bits);
      return buildHead(config, weight, adapter);
    });
    const feeds: Feeds = { rows: float32(rows, [rows.length / hiddenSize, hiddenSize]), norm, head };
    for (const [name, tensor] of Object.entries(headWeights.adapter)) feeds[headTensorName(name)] = tensor;
    return (await program.run(feeds)).logits!.data as Float32Array;
  };

  return {
    extend: async (tokens, past, filled) => run(await singles(), tokens, past, filled),
    async step(tokens, past, filled) {
      const { hidden, keyValues } = await run(await steps(), tokens, past, filled);
      return { logits: await runHead(hidden.data as Float32Array, stepBits), keyValues };
    },
    async score(hidden, positions, labels) {
      const { layer, headWeights } = await preparedHead();
      return layer.score(rowsInMemory(gatherRows(hidden, positions), hiddenSize), labels, headWeights);
    },
    logits: (hidden, positions) => runHead(gatherRows(hidden, positions), undefined),
    refresh() {
      for (const each of [prepared, preparedHead, singles, steps]) each.forget();
    },
    release,
  };
}

/** `compute`, whose result is kept after the first call until it is forgotten. */
function once<T>(compute: () => Promise<T>): (() => Promise<T>) & { forget(): void } {
  let result: Promise<T> | undefined;
  const get = () => (result ??= compute());
  return Object.assign(get, {
    forget() {
      result = undefined;
    },
  });
}

/** Computes the next tokens of one text, all of whose past is in `past`. */
export function extendText(decoder: Decoder, ids: readonly number[], past: KeyValues): Promise<Extension> {
  const tokens: NewTokens = {
    rows: 1,
    length: ids.length,
    inputIds: Int32Array.from(ids),
    positionIds: Int32Array.from(ids.keys(), (i) => past.length + i),
  };
  return decoder.extend(tokens, past, Int32Array.of(past.length));
}
