/** @file Tokenizers in Hugging Face's files: tokenizer.json and the files around it. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { type AddedToken, createAddedTokenFinder } from "./added-tokens.ts";
import { type BytePairModel, byteToken, createWordEncoder } from "./byte-pair-model.ts";
import { createDecoder, type Decoder } from "./decoder.ts";
import { createNormalizer, keepsBeginning, type Normalizer } from "./normalizer.ts";
import { type PostProcessor, readPostProcessor } from "./post-processor.ts";
import { checkFirstPiece, createPreTokenizer, type PreTokenizer } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The contents of the files that make up a tokenizer. */
export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer: unknown;
  /** tokenizer_config.json */
  readonly config?: unknown;
  /** special_tokens_map.json */
  readonly specialTokensMap?: unknown;
  /** generation_config.json */
  readonly generationConfig?: unknown;
  /** chat_template.jinja, which comes before a template in tokenizer_config.json. */
  readonly chatTemplate?: string | undefined;
}

/**
 * Opens the tokenizer of a Hugging Face model folder: tokenizer.json, and where they exist tokenizer_config.json,
 * special_tokens_map.json, generation_config.json and chat_template.jinja.
 *
 * @throws InputError if tokenizer.json is missing or one of the files is damaged.
 */
export function openHuggingFaceTokenizer(folder: string): Tokenizer {
  return createTokenizer(readTokenizerFiles(folder), join(folder, "tokenizer.json"));
}

/**
 * The files of a model folder's tokenizer, parsed.
 *
 * @throws InputError if tokenizer.json is missing or one of the files is not valid JSON.
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const read = (name: string): string | undefined => {
    const path = join(folder, name);
    const entry = statSync(path, { throwIfNoEntry: false });
    if (!entry) return undefined;
    if (!entry.isFile()) throw new InputError(`${path} is not a file; download it again.`);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    } catch {
      throw new InputError(`${path} cannot be read as a text in UTF-8; download it again.`);
    }
  };
  const readJson = (name: string): unknown => {
    const text = read(name);
    try {
      return text === undefined ? undefined : JSON.parse(text);
    } catch {
      throw new InputError(`${join(folder, name)} is not valid JSON; download it again.`);
    }
  };
  const tokenizer = readJson("tokenizer.json");
  if (tokenizer === undefined) {
    throw new InputError(
      `${folder} holds no tokenizer.json; save the tokenizer with Transformers' save_pretrained to get one.`,
    );
  }
  return {
    tokenizer,
    config: readJson("tokenizer_config.json"),
    specialTokensMap: readJson("special_tokens_map.json"),
    generationConfig: readJson("generation_config.json"),
    chatTemplate: read("chat_template.jinja"),
  };
}

/**
 * A tokenizer from the parsed contents of its files.
 *
 * @param source what the contents came from, for errors
 * @throws InputError if the contents are no tokenizer or use a part that is not supported.
 */
export function createTokenizer(files: TokenizerFiles, source: string): Tokenizer {
  const definition = asObject(files.tokenizer);
  const model = asObject(definition?.model);
  if (!definition || !model) throw new InputError(`${source} is not a tokenizer: it has no "model".`);
  const pairs = readModel(model, source);
  const config = asObject(files.config) ?? {};
  const addedTokens = readAddedTokens(
    listAddedTokens(definition.added_tokens, config.added_tokens_decoder, source),
    pairs.vocabulary,
    source,
  );
  const named = readNamedTokens(config, asObject(files.specialTokensMap) ?? {});
  const vocabulary = addNamedTokens(named, addedTokens, pairs.vocabulary);
  const parts = createParts(definition, addedTokens, pairs, source);
  const generationConfig = asObject(files.generationConfig) ?? {};
  const idOfNamed = (name: string): number | undefined => {
    const token = named.get(`${name}_token`) ?? (name === "unk" ? pairs.unkToken : undefined);
    return typeof token === "string" ? vocabulary.get(token) : firstId(generationConfig[`${name}_token_id`]);
  };
  const bosTokenId = idOfNamed("bos");
  const tokens: string[] = [];
  for (const [token, id] of vocabulary) tokens[id] = token;
  const specialIds = new Set(addedTokens.filter(({ special }) => special).map(({ id }) => id));
  const { before, after } = parts.surroundings;
  const absent = [...before, ...after].find((id) => tokens[id] === undefined);
  if (absent !== undefined) {
    throw new InputError(
      `${source} cannot be used: it adds a special token that it does not have, of the id ${absent}.`,
    );
  }
  const encode: Tokenizer["encode"] = (text, { addSpecialTokens = false } = {}) =>
    addSpecialTokens ? [...before, ...parts.encode(text), ...after] : parts.encode(text);

  return {
    vocabularySize: tokens.length,
    bosTokenId,
    eosTokenId: idOfNamed("eos"),
    padTokenId: idOfNamed("pad"),
    unkTokenId: idOfNamed("unk"),
    addsBosToken: bosTokenId !== undefined && encode("a", { addSpecialTokens: true })[0] === bosTokenId,
    chatTemplate: files.chatTemplate ?? readChatTemplate(config.chat_template),
    encode,
    decode(ids, { skipSpecialTokens = false } = {}) {
      // Rows of the embedding that pad its size have no token, and Tokenizers prints nothing for them.
      const known = ids.filter(
        (id) => tokens[id] !== undefined && !(skipSpecialTokens && specialIds.has(id)),
      );
      return parts.decode(known.map((id) => tokens[id]!));
    },
    tokenOf: (id) => tokens[id],
    idOf: (token) => vocabulary.get(token),
    isSpecial: (id) => specialIds.has(id),
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

function asObject(value: unknown): JsonObject | undefined {
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

function readModel(model: JsonObject, source: string): BytePairModel {
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
  const pairs = {
    vocabulary: new Map(
      Object.entries(entries).map(([token, id]) => [checkText(token, source), checkId(id, token, source)]),
    ),
    merges: merges.map((merge) => readMerge(merge, source)),
    unkToken: unk_token ?? undefined,
    fuseUnk: flag("fuse_unk"),
    byteFallback: flag("byte_fallback"),
    ignoreMerges: flag("ignore_merges"),
  };
  checkVocabulary(pairs, source);
  return pairs;
}

function readMerge(merge: unknown, source: string): readonly [string, string] {
  const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
  if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === "string"))
    return parts as unknown as readonly [string, string];
  throw new InputError(`${source} holds a merge that is not two tokens: ${describe(merge)}.`);
}

/** Checks that each id has one token, and that merges join tokens to tokens. */
function checkVocabulary(pairs: BytePairModel, source: string): void {
  const { vocabulary, merges, unkToken, byteFallback } = pairs;
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
  // They stand for characters that the vocabulary lacks, and are not joined.
  const substitutes = new Set(byteFallback ? Array.from({ length: 256 }, (_, byte) => byteToken(byte)) : []);
  if (unkToken !== undefined) substitutes.add(unkToken);
  for (const [left, right] of merges) {
    const absent = [left, right, left + right].find((token) => !vocabulary.has(token));
    if (absent !== undefined) {
      throw new InputError(
        `${source} holds a merge of ${describe(left)} and ${describe(right)}, but its vocabulary lacks ${describe(absent)}; download it again.`,
      );
    }
    if (substitutes.has(left) || substitutes.has(right)) {
      throw new InputError(
        `${source} holds a merge of ${describe(left)} and ${describe(right)}, of which one stands for unknown characters; that is not supported.`,
      );
    }
  }
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

/** Added tokens with the ids that Hugging Face's tokenizers give them: the vocabulary's, or those that follow it in turn. */
function readAddedTokens(
  list: readonly unknown[],
  vocabulary: ReadonlyMap<string, number>,
  source: string,
): AddedToken[] {
  let last = vocabulary.size - 1;
  const seen = new Set<string>();
  return list.map((entry) => {
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
function addNamedTokens(
  named: ReadonlyMap<string, string>,
  addedTokens: AddedToken[],
  vocabulary: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const all = new Map(vocabulary);
  for (const { content, id } of addedTokens) all.set(content, id);
  let nextId = 0;
  for (const id of all.values()) nextId = Math.max(nextId, id + 1);
  const added = new Set(addedTokens.map(({ content }) => content));
  for (const content of new Set(named.values())) {
    if (added.has(content)) continue;
    const id = all.get(content) ?? nextId++;
    const flags = { normalized: false, single_word: false, lstrip: false, rstrip: false };
    addedTokens.push({ id, content, special: true, ...flags });
    all.set(content, id);
  }
  return all;
}

/** Tokens by the names that the configuration gives them (`bos_token`, ...). Each is a text or an AddedToken. */
function readNamedTokens(config: JsonObject, specialTokensMap: JsonObject): Map<string, string> {
  const named = new Map<string, string>();
  const textOf = (token: unknown): unknown => (typeof token === "string" ? token : asObject(token)?.content);
  for (const name of ["bos_token", "eos_token", "unk_token", "pad_token"]) {
    const token = textOf(config[name]) ?? textOf(specialTokensMap[name]);
    if (typeof token === "string" && token !== "") named.set(name, token);
  }
  for (const name of ["additional_special_tokens", "extra_special_tokens"]) {
    const list = config[name] ?? specialTokensMap[name];
    for (const [i, entry] of typeof list === "object" && list !== null ? Object.entries(list) : []) {
      const token = textOf(entry);
      if (typeof token === "string" && token !== "") named.set(`${name} ${i}`, token);
    }
  }
  return named;
}

/** A template, or the one named "default" of several. */
function readChatTemplate(template: unknown): string | undefined {
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return undefined;
  const found = asObject(template.find((entry) => asObject(entry)?.name === "default"))?.template;
  return typeof found === "string" ? found : undefined;
}

/** generation_config.json names one id or several, the first of which is the tokenizer's own. */
function firstId(ids: unknown): number | undefined {
  const id: unknown = Array.isArray(ids) ? ids[0] : ids;
  return typeof id === "number" ? id : undefined;
}

interface Parts {
  encode(text: string): number[];
  decode(tokens: readonly string[]): string;
  readonly surroundings: ReturnType<typeof readPostProcessor>;
}

function createParts(
  definition: JsonObject,
  addedTokens: readonly AddedToken[],
  pairs: BytePairModel,
  source: string,
): Parts {
  const part = <Config>(name: string) => asObject(definition[name]) as Config | undefined;
  const [normalizer, preTokenizer] = [part<Normalizer>("normalizer"), part<PreTokenizer>("pre_tokenizer")];
  const [postProcessor, decoder] = [part<PostProcessor>("post_processor"), part<Decoder>("decoder")];
  try {
    if (nestsTooDeeply([normalizer, preTokenizer, postProcessor, decoder]))
      throw new Error("it nests too deeply");
    const normalize = normalizer ? createNormalizer(normalizer) : (text: string) => text;
    const cut = preTokenizer ? createPreTokenizer(preTokenizer) : undefined;
    if (preTokenizer) checkFirstPiece(preTokenizer, !normalizer || keepsBeginning(normalizer));
    const decodeTokens = decoder ? createDecoder(decoder) : (tokens: readonly string[]) => [tokens.join(" ")];
    const findPlain = createAddedTokenFinder(
      addedTokens.filter(({ normalized }) => !normalized),
      ({ content }) => content,
    );
    const findNormalized = createAddedTokenFinder(
      addedTokens.filter(({ normalized }) => normalized),
      ({ content }) => normalize(content),
    );
    const encodeWord = createWordEncoder(pairs, source);
    return {
      encode: (text) =>
        findPlain({ text, isFirst: true })
          .flatMap((section) =>
            typeof section === "number"
              ? section
              : findNormalized({ ...section, text: normalize(section.text) }),
          )
          .flatMap((section) =>
            typeof section === "number"
              ? section
              : (cut?.(section) ?? [section]).flatMap(({ text: word }) => encodeWord(word)),
          ),
      decode: (tokens) => decodeTokens(tokens).join(""),
      surroundings: postProcessor ? readPostProcessor(postProcessor) : { before: [], after: [] },
    };
  } catch (error) {
    throw new InputError(`${source} cannot be used: ${(error as Error).message.replace(/[.\s]+$/, "")}.`);
  }
}

/** Whether objects and lists stand within one another more than any published tokenizer's. */
function nestsTooDeeply(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === maximumDepth || Object.values(value).some((inner) => nestsTooDeeply(inner, depth + 1));
}

const maximumDepth = 32;
