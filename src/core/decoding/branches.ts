/** @file Branches for search: texts that are continued side by side, copied, dropped and put in another order. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { createDecoder } from "../engine/decoder.ts";
import { longestCachedText } from "../engine/layer-context.ts";
import { InputError } from "../errors.ts";
import type { Device } from "../runtime/device.ts";
import { defaultBits, type GeneratorOptions } from "./batch-generator.ts";
import { createCachedRows } from "./cached-rows.ts";

/** Branches are numbered from 0. What the model has read of each is kept, and no token of it computed again. */
export interface Branches {
  readonly count: number;
  /** A branch's tokens, those of its prompt included. */
  ids(branch: number): readonly number[];
  /**
   * Adds a branch, of which what it shares with another is copied.
   *
   * @returns logits of the next token, [vocabSize]
   */
  begin(promptIds: readonly number[]): Promise<Float32Array>;
  /**
   * Adds one token to each branch; all are computed at once.
   *
   * @param ids one per branch
   * @returns for each branch the logits of its next token, [vocabSize]
   */
  step(ids: readonly number[]): Promise<Float32Array[]>;
  /**
   * Adds several tokens to one branch, such as what a tool has answered.
   *
   * @returns logits of the next token, [vocabSize]
   */
  extend(branch: number, ids: readonly number[]): Promise<Float32Array>;
  /**
   * How likely continuations of a branch are, computed side by side; the branch stays as it is.
   *
   * @returns for each continuation ln p(token | what stands before) of each of its tokens
   */
  score(branch: number, continuations: readonly (readonly number[])[]): Promise<Float64Array[]>;
  /** Keeps the branches of these numbers, in this order, and drops the others; one that is named twice is copied. */
  keep(branches: readonly number[]): void;
  /** Adds a copy of a branch. @returns its number, the last */
  fork(branch: number): number;
  /** Drops a branch; those after it move up by one. */
  drop(branch: number): void;
  release(): Promise<void>;
}

export interface BranchesOptions extends Pick<GeneratorOptions, "bits"> {
  /** Branches that there may be at a time. */
  readonly capacity: number;
}

/**
 * Prepares a model, with its adapter, for a search. Its methods are called one after the other, and
 * throw an InputError if there is no such branch, no room for another, or none in the model's context.
 *
 * @example
 * // The four likeliest beginnings, each continued by one token.
 * const { openDevice, openModel } = await import("slimtune");
 * const model = await openModel("HuggingFaceTB/SmolLM2-135M");
 * const branches = createBranches(openDevice("cpu"), model, { capacity: 4 });
 * const promptIds = model.tokenizer.encode("Once upon", { addSpecialTokens: true });
 * const firstIds = likeliest(await branches.begin(promptIds), 4);
 * branches.keep([0, 0, 0, 0]);
 * const logits = await branches.step(firstIds);
 * // Only the second is gone on with.
 * branches.keep([1]);
 * await branches.release();
 */
export function createBranches(device: Device, model: AdaptedModel, options: BranchesOptions): Branches {
  const { capacity, bits = defaultBits(model) } = options;
  const { vocabSize } = model.config;
  const context = longestCachedText(model.config);
  const decoder = createDecoder(
    device,
    model,
    model.adapter ?? noAdapter,
    bits === "exact" ? {} : { stepBits: bits },
  );
  const rows = createCachedRows(model.config, decoder, { capacity, keptBytes: 0 });

  const checkCount = (count: number) => {
    if (count <= capacity) return;
    throw new InputError(
      `There is room for ${capacity} branches, not for ${count}; keep fewer, or make room.`,
    );
  };
  const check = (branch: number) => {
    if (Number.isInteger(branch) && branch >= 0 && branch < rows.active) return;
    throw new InputError(`There is no branch ${branch}; there are ${rows.active}, counted from 0.`);
  };
  const checkLength = (length: number) => {
    if (length <= context) return;
    throw new InputError(
      `A branch of ${length} tokens does not fit into the model's context of ${context}; drop it.`,
    );
  };
  const keep = (branches: readonly number[]) => {
    branches.forEach(check);
    checkCount(branches.length);
    rows.reorder(branches);
  };
  const all = () => Array.from({ length: rows.active }, (_, branch) => branch);

  return {
    get count() {
      return rows.active;
    },
    ids(branch) {
      check(branch);
      return rows.ids(branch).slice();
    },
    async begin(promptIds) {
      if (promptIds.length === 0) throw new InputError("The prompt is empty; begin with a token at least.");
      checkCount(rows.active + 1);
      checkLength(promptIds.length);
      await rows.extend(promptIds.slice(rows.begin(promptIds)));
      const logits = await rows.logits();
      rows.activate();
      return logits;
    },
    async step(ids) {
      if (ids.length !== rows.active) {
        throw new InputError(
          `${ids.length} tokens were given for ${rows.active} branches; give one for each.`,
        );
      }
      for (const branch of all()) checkLength(rows.ids(branch).length + 1);
      const logits = await rows.step(ids.map((id) => [id]));
      return ids.map((_, branch) => logits.subarray(branch * vocabSize, (branch + 1) * vocabSize));
    },
    async extend(branch, ids) {
      check(branch);
      checkLength(rows.ids(branch).length + ids.length);
      if (ids.length === 0) throw new InputError("A branch is extended by one token at least.");
      return rows.append(branch, ids);
    },
    async score(branch, continuations) {
      check(branch);
      const ids = rows.ids(branch);
      // What the last token's output was is not kept, so it is computed once more, with each continuation.
      const start = ids.length - 1;
      const read = continuations.map((continuation) => [ids[start]!, ...continuation.slice(0, -1)]);
      const length = Math.max(0, ...read.map(({ length }) => length));
      checkLength(start + length);
      if (continuations.length === 0) return [];
      const inputIds = new Int32Array(read.length * length);
      for (const [row, tokens] of read.entries()) inputIds.set(tokens, row * length);
      const { hidden } = await decoder.extend(
        {
          rows: read.length,
          length,
          inputIds,
          positionIds: Int32Array.from(inputIds, (_, i) => start + (i % length)),
        },
        rows.past(branch, start),
        new Int32Array(read.length).fill(start),
      );
      const places = continuations.flatMap(({ length: scored }, row) =>
        Array.from({ length: scored }, (_, i) => row * length + i),
      );
      const labels = Int32Array.from(continuations.flat());
      const { logProbabilities } = await decoder.score(hidden, Int32Array.from(places), labels);
      let end = 0;
      return continuations.map(({ length: scored }) => {
        end += scored;
        return logProbabilities.slice(end - scored, end);
      });
    },
    keep,
    fork(branch) {
      keep([...all(), branch]);
      return rows.active - 1;
    },
    drop(branch) {
      check(branch);
      keep(all().filter((other) => other !== branch));
    },
    release: decoder.release,
  };
}
