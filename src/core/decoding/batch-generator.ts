/** @file A generator that writes many texts at a time, for one base model with any number of adapters. */

import { type AdaptedModel, type Adapter, noAdapter } from "../adapters/adapted-model.ts";
import { createDecoder, type Decoder } from "../engine/decoder.ts";
import { longestCachedText } from "../engine/layer-context.ts";
import { InputError } from "../errors.ts";
import { giveWay } from "../event-loop.ts";
import type { BitWidth } from "../graph/operators/integer-matmul.ts";
import type { InputBits } from "../graph/operators/rounded-products.ts";
import type { ModelWeights } from "../models/weights.ts";
import { createRandom } from "../random.ts";
import type { Device } from "../runtime/device.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import { type CachedRows, createCachedRows } from "./cached-rows.ts";
import type {
  GeneratedToken,
  Generation,
  GenerationRequest,
  Generator,
  Piece,
  TokenLogprob,
} from "./generator.ts";
import { lookUp } from "./lookup.ts";
import {
  checkLogits,
  checkSampling,
  type DecodingState,
  type DecodingStrategy,
  likeliest,
  logSumExp,
  strategyOf,
} from "./sample.ts";
import { createTextStream, type TextStream } from "./text-stream.ts";
import { limitThinking } from "./thinking.ts";

export interface GeneratorOptions {
  /** Adapters that requests may name; the base weights are shared. The model's own adapter is the default. */
  readonly adapters?: Readonly<Record<string, Adapter>>;
  /** Texts that are written at a time, for each adapter. Default 8. */
  readonly batchSize?: number;
  /**
   * What prompts and texts that were written may take, for each adapter, so that others which begin alike need not compute it again:
   * bytes of keys and values, beside those of the texts that are being written. What was used last longest ago goes first; the last text
   * stays however long it is, but with 0 nothing is kept. Default 1 GiB.
   */
  readonly keptBytes?: number;
  /**
   * Writes with weights quantized to so many bits, which is faster for few texts at a time and not the same model.
   * Default: {@link defaultBits}.
   */
  readonly bits?: BitWidth | "exact";
  /** Bits to which inputs of quantized weights are rounded where prompts are read; see {@link DecoderOptions.inputBits}. */
  readonly inputBits?: InputBits;
  /**
   * Drafts up to so many tokens a step while one text is written, which the step checks: those that followed the text's end where it
   * stood in the text or its prompt before. A draft is taken as far as the step's own logits, and the text's own draws, choose it.
   * Exact weights so give the same texts, but for near ties. With `bits` a step of several tokens rounds its inputs otherwise, so that
   * texts may go on otherwise after some words. Default 0: none.
   */
  readonly speculate?: number;
}

/** A model, as far as its weights are kept in some form. */
interface WithStorage {
  readonly weights: Pick<ModelWeights, "storage">;
}

/**
 * How weights are kept for writing if nobody says: exactly, but quantized weights in 8 bits, since ONNX Runtime multiplies few
 * rows by NF4 slowly, and int8 weights are made dense for it. Rounding to 8 bits moves each weight by at most 0.4 % of its
 * block's range.
 */
export function defaultBits({ weights: { storage } }: WithStorage): BitWidth | "exact" {
  return storage === "nf4" || storage === "int8" ? 8 : "exact";
}

/** A request to a generator of the same process. */
export interface LocalRequest extends GenerationRequest {
  /** Chooses the tokens in place of the sampling options. */
  readonly strategy?: DecodingStrategy;
}

/** A {@link Generator} that also takes strategies of the caller's own. */
export interface LocalGenerator extends Generator {
  generate(request: LocalRequest, events?: Parameters<Generator["generate"]>[1]): Promise<Generation>;
  /**
   * Writes by the adapters' tensors as they are from now on, where they have been changed in place, and forgets all texts. It is for a
   * generator with {@link GeneratorOptions.bits} "exact", between requests.
   */
  refresh(): void;
}

/** A request on its way. */
interface Job extends DecodingState {
  readonly request: GenerationRequest;
  readonly strategy: DecodingStrategy;
  readonly stream: TextStream;
  readonly ids: number[];
  /** The tokens, if their log-probabilities were asked for, and where in the text each begins. */
  readonly tokens: { readonly start: number; readonly token: GeneratedToken }[];
  /** How many of `tokens` have been given out. */
  given: number;
  computedPromptTokens: number;
  readonly signal: AbortSignal | undefined;
  readonly onPiece: ((piece: Piece) => void) | undefined;
  resolve(generation: Generation): void;
  reject(reason: unknown): void;
}

/** The requests for one adapter. */
interface Lane {
  rows: CachedRows;
  readonly decoder: Decoder;
  readonly queue: Job[];
  /** The jobs of the active rows. */
  readonly active: Job[];
  /** The job whose prompt is being computed, and how much of it is. */
  beginning: { readonly job: Job; known: number } | undefined;
}

/**
 * A generator that writes many texts at a time, for one base model with any number of adapters.
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const model = await openModel("fixtures/embedded-model");
 * const generator = createGenerator(openDevice("cpu"), model, { batchSize: 4 });
 * const promptIds = encodeText(model.tokenizer, "Once there was");
 * console.log((await generator.generate({ promptIds, maxNewTokens: 20 })).text);
 * await generator.close();
 */
export function createGenerator(
  device: Device,
  model: AdaptedModel,
  options: GeneratorOptions = {},
): LocalGenerator {
  const {
    adapters = {},
    batchSize = 8,
    keptBytes = 2 ** 30,
    bits = defaultBits(model),
    inputBits,
    speculate = 0,
  } = options;
  const { config, tokenizer } = model;
  const { vocabSize } = config;
  const context = longestCachedText(config);
  const lanes = new Map<string, Lane>();
  const createRows = (decoder: Decoder) =>
    createCachedRows(config, decoder, { capacity: batchSize, keptBytes });
  let running: Promise<void> | undefined;
  let closed = false;

  const laneOf = (name: string | undefined): Lane => {
    const key = name ?? "";
    const known = lanes.get(key);
    if (known) return known;
    const adapter =
      name === undefined
        ? (model.adapter ?? noAdapter)
        : Object.hasOwn(adapters, name)
          ? adapters[name]
          : undefined;
    if (!adapter) throw new InputError(`There is no adapter "${name}".`);
    const decoder = createDecoder(device, model, adapter, {
      ...(bits !== "exact" && { stepBits: bits }),
      ...(inputBits && { inputBits }),
      stepsSeveral: speculate > 0,
    });
    const lane: Lane = { rows: createRows(decoder), decoder, queue: [], active: [], beginning: undefined };
    lanes.set(key, lane);
    return lane;
  };

  const run = async () => {
    while (!closed && [...lanes.values()].some(isBusy)) {
      for (const lane of lanes.values()) {
        try {
          await advance(lane);
        } catch (error) {
          failAll(lane, error);
        }
        await giveWay();
      }
    }
    // At once, so that no request can come between the last look at the queues and this.
    running = undefined;
  };

  /** Computes a piece of a waiting prompt and, unless more prompts are to be read first, one token of each text. */
  const advance = async (lane: Lane) => {
    dropAborted(lane);
    const { rows, queue, active } = lane;
    const mayBegin = () => queue.length > 0 && rows.active < batchSize;
    if (!lane.beginning && mayBegin()) {
      const job = queue[0]!;
      const known = rows.begin(job.request.promptIds);
      queue.shift();
      job.computedPromptTokens = job.request.promptIds.length - known;
      lane.beginning = { job, known };
    }
    if (lane.beginning) {
      const { job, known } = lane.beginning;
      const { promptIds } = job.request;
      const end = known + nextChunk(promptIds.length - known, active.some(isWatched));
      if (end > known) await rows.extend(promptIds.slice(known, end));
      lane.beginning.known = end;
      if (end === promptIds.length) {
        const logits = await rows.logits();
        lane.beginning = undefined;
        if (!take(job, logits)) {
          rows.activate();
          active.push(job);
        }
      }
    }
    // A step costs about the same for few texts as for many. Only who watches a text gains if it goes on at once.
    const reads = lane.beginning !== undefined || mayBegin();
    if (active.length > 0 && (!reads || active.some(isWatched))) {
      const drafts = active.map((job) => draft(job, active.length === 1 ? speculate : 0));
      const logits = await rows.step(active.map(({ ids }, row) => [ids.at(-1)!, ...drafts[row]!]));
      const stride = logits.length / active.length;
      for (let row = active.length - 1; row >= 0; row--)
        takeChecked(lane, row, drafts[row]!, logits.subarray(row * stride, (row + 1) * stride));
    }
  };

  /** What a text may go on with, leaving room for the token after it. */
  const draft = ({ request: { promptIds, maxNewTokens }, ids }: Job, most: number): readonly number[] => {
    const room = Math.min(maxNewTokens - ids.length, context - promptIds.length - ids.length) - 1;
    return most < 1 ? [] : lookUp([...promptIds, ...ids], Math.min(most, room));
  };

  /** Takes the next token of a row, and the one after it as long as they are those of its draft. */
  const takeChecked = (lane: Lane, row: number, drafted: readonly number[], logits: Float32Array) => {
    const job = lane.active[row]!;
    let place = 0;
    let ends: boolean;
    do ends = take(job, logits.subarray(place * vocabSize, (place + 1) * vocabSize));
    while (!ends && job.ids.at(-1) === drafted[place++]);
    // The token that was chosen last has not been read.
    lane.rows.shorten(row, job.request.promptIds.length + job.ids.length - 1);
    if (ends) endRow(lane, row);
  };

  const endRow = ({ rows, active }: Lane, row: number) => {
    rows.end(row);
    const last = active.pop()!;
    if (row < active.length) active[row] = last;
  };

  const dropAborted = (lane: Lane) => {
    const { queue, active } = lane;
    const aborted = (job: Job) => {
      if (!job.signal?.aborted) return false;
      job.reject(job.signal.reason);
      return true;
    };
    for (let i = queue.length - 1; i >= 0; i--) if (aborted(queue[i]!)) queue.splice(i, 1);
    if (lane.beginning && aborted(lane.beginning.job)) lane.beginning = undefined;
    for (let row = active.length - 1; row >= 0; row--) if (aborted(active[row]!)) endRow(lane, row);
  };

  const failAll = (lane: Lane, error: unknown) => {
    for (const job of lane.queue.splice(0)) job.reject(error);
    lane.beginning?.job.reject(error);
    lane.beginning = undefined;
    for (let row = lane.active.length - 1; row >= 0; row--) {
      lane.active[row]!.reject(error);
      endRow(lane, row);
    }
  };

  /** Chooses a job's next token. @returns whether the text ends with it; an error ends this text and no other */
  const take = (job: Job, logits: Float32Array): boolean => {
    try {
      return takeNext(job, logits);
    } catch (error) {
      job.reject(error);
      return true;
    }
  };

  const takeNext = (job: Job, logits: Float32Array): boolean => {
    const { request, stream, ids } = job;
    const describe =
      request.logprobs === undefined ? undefined : describeToken(tokenizer, logits, request.logprobs);
    checkLogits(logits);
    const id = job.strategy(job, logits);
    if (!(id in logits))
      throw new InputError(`The strategy chose token ${id}, which is not in the vocabulary.`);
    ids.push(id);
    if (endsText(tokenizer, id, request)) {
      const token = tokenizer.tokenOf(id) ?? "";
      finish(job, "stop", "", request.stop?.includes(token) ? token : null);
      return true;
    }
    if (describe) job.tokens.push({ start: stream.text.length, token: describe(id) });
    const text = stream.push(id);
    if (stream.stop !== undefined) {
      finish(job, "stop", text, stream.stop);
      return true;
    }
    const full = ids.length === request.maxNewTokens || request.promptIds.length + ids.length === context;
    if (full) {
      finish(job, "length", text);
      return true;
    }
    give(job, text);
    return false;
  };

  /** Gives out text that will not change, with the tokens that begin before `end`. */
  const give = (job: Job, text: string, end = job.stream.released) => {
    const known = job.tokens.filter(({ start }) => start < end).map(({ token }) => token);
    if (text !== "" || known.length > job.given) job.onPiece?.({ text, tokens: known.slice(job.given) });
    job.given = known.length;
  };
  const finish = (
    job: Job,
    finishReason: Generation["finishReason"],
    text = "",
    stopString: string | null = null,
  ) => {
    const rest = text + job.stream.finish();
    // A stop string takes the tokens in which it stands with it; otherwise even those without text are given.
    give(job, rest, job.stream.stop === undefined ? Number.POSITIVE_INFINITY : job.stream.released);
    job.resolve({
      text: job.stream.text,
      finishReason,
      stopString,
      completionTokens: job.ids.length,
      ids: job.ids,
      computedPromptTokens: job.computedPromptTokens,
      tokens: job.tokens.slice(0, job.given).map(({ token }) => token),
    });
  };

  return {
    async generate(request, { signal, onPiece } = {}) {
      if (closed) throw new Error("The generator is closed.");
      checkRequest(request, context);
      signal?.throwIfAborted();
      if (request.maxNewTokens === 0)
        return {
          text: "",
          finishReason: "length",
          stopString: null,
          completionTokens: 0,
          ids: [],
          computedPromptTokens: 0,
          tokens: [],
        };
      const lane = laneOf(request.adapter);
      const generation = new Promise<Generation>((resolve, reject) => {
        lane.queue.push({
          request,
          promptIds: request.promptIds,
          strategy: chooseStrategy(request),
          random: createRandom(request.seed ?? 0),
          stream: createTextStream(tokenizer, request.stop ?? []),
          ids: [],
          tokens: [],
          given: 0,
          computedPromptTokens: 0,
          signal,
          onPiece,
          resolve,
          reject,
        });
      });
      running ??= run();
      return generation;
    },
    refresh() {
      for (const lane of lanes.values()) {
        lane.decoder.refresh();
        lane.rows = createRows(lane.decoder);
      }
    },
    async close() {
      closed = true;
      await running;
      for (const lane of lanes.values()) {
        failAll(lane, new Error("The generator was closed."));
        await lane.decoder.release();
      }
      lanes.clear();
    },
  };
}

function isWatched({ onPiece }: Job): boolean {
  return onPiece !== undefined;
}

/** Most tokens of a prompt that are computed at a time, and while somebody watches a text that waits for them. */
const longChunk = 1024;
const shortChunk = 256;

/** Tokens of a prompt that are computed next: its rest is divided evenly, for a small piece is slow for its size. */
function nextChunk(rest: number, watched: boolean): number {
  const chunks = Math.ceil(rest / (watched ? shortChunk : longChunk));
  return Math.ceil(rest / Math.max(1, chunks));
}

function isBusy({ queue, active, beginning }: Lane): boolean {
  return queue.length > 0 || active.length > 0 || beginning !== undefined;
}

function checkRequest(request: GenerationRequest, context: number): void {
  checkSampling(request);
  const { length } = request.promptIds;
  if (length === 0) throw new InputError("The prompt is empty, and the model has no token to begin with.");
  if (length >= context) {
    throw new InputError(
      `The prompt has ${length} tokens, but the model's context is ${context}; shorten it.`,
    );
  }
}

function chooseStrategy(request: LocalRequest): DecodingStrategy {
  const strategy = request.strategy ?? strategyOf(request);
  return request.thinking ? limitThinking(request.thinking, strategy) : strategy;
}

/** The end-of-sequence token ends a text, and so do stop tokens and a special token that is one of the stop strings. */
function endsText(tokenizer: Tokenizer, id: number, { stop = [], stopIds = [] }: GenerationRequest): boolean {
  if (id === tokenizer.eosTokenId || stopIds.includes(id)) return true;
  return tokenizer.isSpecial(id) && stop.includes(tokenizer.tokenOf(id) ?? "");
}

/** Describes tokens by the logits as they are now. */
function describeToken(
  tokenizer: Tokenizer,
  logits: Float32Array,
  count: number,
): (id: number) => GeneratedToken {
  const normalizer = logSumExp(logits);
  const original = logits.slice();
  const describe = (id: number): TokenLogprob => ({
    id,
    text: tokenizer.decode([id]),
    logprob: original[id]! - normalizer,
  });
  const top = count === 0 ? [] : likeliest(original, count).map(describe);
  return (id) => ({ ...describe(id), top });
}
