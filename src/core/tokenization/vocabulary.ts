/** @file The tokens of tokenizer.json: its model's vocabulary and merges, and the added ones, checked. */

import { InputError } from "../errors.ts";
import type { AddedToken } from "./added-tokens.ts";
import { type BytePairModel, byteToken, type Merges } from "./byte-pair-model.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** The value if it is an object, and no list. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

/** Ids above this are damage: no published vocabulary comes near, and tables are as long as the largest id. */
const maximumId = 2 ** 22;

function checkId(id: unknown, token: string, source: string): number {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= maximumId) {
    throw new InputError(
      `${source} gives the token ${describe(token)} the id ${describe(id)}, which is not valid.`,
    );
  }
  return id;
}

/** A value for a message. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return String(
    JSON.stringify(typeof value === "string" && value.length > 80 ? `${value.slice(0, 80)}…` : value),
  );
}

/** A lone surrogate is no text, and Hugging Face's tokenizers cannot read it. */
function checkText(token: string, source: string): string {
  if (/\p{Surrogate}/u.test(token))
    throw new InputError(`${source} has a token that is no valid text: ${describe(token)}.`);
  return token;
}

/**
 * The vocabulary and merges of tokenizer.json's `model`, checked.
 *
 * @param source what it came from, for errors
 * @throws InputError if it is of another type than BPE, uses what is not supported, or contradicts itself.
 */
export function readModel(model: JsonObject, source: string): BytePairModel {
  const { type = "BPE", vocab, merges, unk_token } = model;
  const entries = asObject(vocab);
  if (type !== "BPE" || !entries || !Array.isArray(merges)) {
    throw new InputError(
      `${source} holds a tokenizer of the type ${describe(type)}${type === "BPE" ? " without a vocabulary and merges" : ""}; supported is BPE, which Llama, Mistral, Qwen and SmolLM use.`,
    );
  }
  for (const option of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[option])
      throw new InputError(`${source} sets "${option}", which is not supported; set it to null.`);
  }
  const flag = (option: string): boolean => {
    const value = model[option] ?? false;
    if (typeof value === "boolean") return value;
    throw new InputError(`${source} sets "${option}" to ${describe(value)} in place of true or false.`);
  };
  if (unk_token !== undefined && unk_token !== null && typeof unk_token !== "string") {
    throw new InputError(`${source} sets "unk_token" to ${describe(unk_token)} in place of a text.`);
  }
  const vocabulary = new Map(
    Object.entries(entries).map(([token, id]) => [checkText(token, source), checkId(id, token, source)]),
  );
  checkIds(vocabulary, source);
  const substitutes = { unkToken: unk_token ?? undefined, byteFallback: flag("byte_fallback") };
  return {
    vocabulary,
    merges: readMerges(merges, vocabulary, substitutes, source),
    ...substitutes,
    fuseUnk: flag("fuse_unk"),
    ignoreMerges: flag("ignore_merges"),
  };
}

/** Checks that each id has one token. */
function checkIds(vocabulary: ReadonlyMap<string, number>, source: string): void {
  const tokens = new Map<number, string>();
  for (const [token, id] of vocabulary) {
    const other = tokens.get(id);
    if (other !== undefined) {
      throw new InputError(
        `${source} gives the tokens ${describe(other)} and ${describe(token)} the same id ${id}.`,
      );
    }
    tokens.set(id, token);
  }
}

/**
 * Merges, each two tokens or both as one text with a space between them, by ids.
 *
 * @throws InputError if they are none, or do not join tokens to tokens of the vocabulary.
 */
export function readMerges(
  list: readonly unknown[],
  vocabulary: ReadonlyMap<string, number>,
  { unkToken, byteFallback }: Pick<BytePairModel, "unkToken" | "byteFallback">,
  source: string,
): Merges {
  // They stand for characters that the vocabulary lacks, and are not joined.
  const substitutes = new Set(byteFallback ? Array.from({ length: 256 }, (_, byte) => byteToken(byte)) : []);
  if (unkToken !== undefined) substitutes.add(unkToken);
  const left = new Int32Array(list.length);
  const right = left.slice();
  const joined = left.slice();
  for (const [i, merge] of list.entries()) {
    const [first, second] = readMerge(merge, source);
    const idOf = (token: string): number => {
      const id = vocabulary.get(token);
      if (id !== undefined) return id;
      throw new InputError(
        `${source} holds a merge of ${describe(first)} and ${describe(second)}, but its vocabulary lacks ${describe(token)}; download it again.`,
      );
    };
    left[i] = idOf(first);
    right[i] = idOf(second);
    joined[i] = idOf(first + second);
    if (substitutes.has(first) || substitutes.has(second)) {
      throw new InputError(
        `${source} holds a merge of ${describe(first)} and ${describe(second)}, of which one stands for unknown characters; that is not supported.`,
      );
    }
  }
  return { left, right, joined };
}

function readMerge(merge: unknown, source: string): readonly [string, string] {
  const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
  if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === "string"))
    return parts as unknown as readonly [string, string];
  throw new InputError(`${source} holds a merge that is not two tokens: ${describe(merge)}.`);
}

/**
 * The added tokens of tokenizer.json and those of the `added_tokens_decoder` in the configuration, which Transformers adds, or
 * takes in the place of one of the same text.
 */
function listAddedTokens(list: unknown, byId: unknown, source: string): unknown[] {
  if (!Array.isArray(list ?? [])) throw new InputError(`${source}: "added_tokens" is not a list.`);
  const entries = [...((list ?? []) as unknown[])];
  for (const [id, token] of Object.entries(asObject(byId) ?? {})) {
    const entry = { ...asObject(token), id: Number(id) };
    const index = entries.findIndex((other) => asObject(other)?.content === asObject(token)?.content);
    if (index < 0) entries.push(entry);
    else entries[index] = entry;
  }
  return entries;
}

/**
 * Added tokens with the ids that Hugging Face's tokenizers give them: the vocabulary's, or those that follow it in turn.
 *
 * @param list `added_tokens` of tokenizer.json
 * @param byId `added_tokens_decoder` of the configuration
 * @throws InputError if they are no such tokens, or have other ids.
 */
export function readAddedTokens(
  list: unknown,
  byId: unknown,
  vocabulary: ReadonlyMap<string, number>,
  source: string,
): AddedToken[] {
  let last = vocabulary.size - 1;
  const seen = new Set<string>();
  return listAddedTokens(list, byId, source).map((entry) => {
    const { content, id, special, normalized, single_word, lstrip, rstrip } = asObject(entry) ?? {};
    if (typeof content !== "string" || content === "") {
      throw new InputError(`${source} holds an added token without a text.`);
    }
    checkText(content, source);
    if (seen.has(content)) {
      throw new InputError(`${source} holds the added token ${describe(content)} twice.`);
    }
    seen.add(content);
    const expected = vocabulary.get(content) ?? last + 1;
    last = Math.max(last, expected);
    if (checkId(id, content, source) !== expected) {
      throw new InputError(
        `${source} gives the added token ${describe(content)} the id ${id}, but Hugging Face's tokenizers count it as ${expected}; correct the id.`,
      );
    }
    return {
      id: expected,
      content,
      special: special === true,
      normalized: typeof normalized === "boolean" ? normalized : special !== true,
      single_word: single_word === true,
      lstrip: lstrip === true,
      rstrip: rstrip === true,
    };
  });
}

/** Adds to the added tokens what the configuration names, of which Transformers makes special tokens. @returns all tokens */
export function addNamedTokens(
  named: ReadonlyMap<string, string>,
  addedTokens: AddedToken[],
  vocabulary: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const added = new Map(addedTokens.map(({ content, id }) => [content, id]));
  let nextId = 0;
  for (const ids of [vocabulary, added]) for (const id of ids.values()) nextId = Math.max(nextId, id + 1);
  for (const content of new Set(named.values())) {
    if (added.has(content)) continue;
    const id = vocabulary.get(content) ?? nextId++;
    const flags = { normalized: false, single_word: false, lstrip: false, rstrip: false };
    addedTokens.push({ id, content, special: true, ...flags });
    added.set(content, id);
  }
  const further = [...added].filter(([content]) => !vocabulary.has(content));
  if (further.length === 0) return vocabulary;
  const all = new Map(vocabulary);
  for (const [content, id] of further) all.set(content, id);
  return all;
}
