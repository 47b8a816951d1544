/** @file Tokenizers in Hugging Face's files: tokenizer.json and the files around it. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as library from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { boundTokenizer } from "./bounded-tokenizer.ts";
import { type LibraryDecoder, useReferenceByteFallback } from "./byte-fallback.ts";
import { type PreTokenizer, withReferenceClasses } from "./pre-tokenizer.ts";
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
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
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
  return boundTokenizer(files.tokenizer, source, () => buildTokenizer(files, source));
}

function buildTokenizer(files: TokenizerFiles, source: string): Tokenizer {
  const definition = asObject(files.tokenizer);
  const model = asObject(definition?.model);
  if (!definition || !model) throw new InputError(`${source} is not a tokenizer: it has no "model".`);
  const vocabulary = readVocabulary(model, source);
  const addedTokens = readAddedTokens(definition.added_tokens, source);
  const config = asObject(files.config) ?? {};
  const named = readNamedTokens(config, asObject(files.specialTokensMap) ?? {});

  // Transformers makes special tokens of all that the configuration names as such.
  const added = new Set(addedTokens.map(({ content }) => content));
  for (const { content, id } of addedTokens) vocabulary.set(content, id);
  let nextId = 0;
  for (const id of vocabulary.values()) nextId = Math.max(nextId, id + 1);
  for (const content of new Set(named.values())) {
    if (added.has(content)) continue;
    const id = vocabulary.get(content) ?? nextId++;
    addedTokens.push({ id, content, special: true, normalized: false });
    vocabulary.set(content, id);
  }

  const implementation = createLibraryTokenizer({ ...definition, added_tokens: addedTokens }, model, source);
  const generationConfig = asObject(files.generationConfig) ?? {};
  const idOfNamed = (name: string): number | undefined => {
    const token = named.get(`${name}_token`) ?? (name === "unk" ? model.unk_token : undefined);
    return typeof token === "string" ? vocabulary.get(token) : firstId(generationConfig[`${name}_token_id`]);
  };
  const bosTokenId = idOfNamed("bos");
  const tokens: string[] = [];
  for (const [token, id] of vocabulary) tokens[id] = token;
  for (const { content, id } of addedTokens) tokens[id] = content;
  const specialIds = new Set(addedTokens.filter(({ special }) => special).map(({ id }) => id));
  const encode: Tokenizer["encode"] = (text, { addSpecialTokens = false } = {}) =>
    implementation.encode(text, { add_special_tokens: addSpecialTokens }).ids;

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
      return known.length === 0 ? "" : implementation.decode(known);
    },
    tokenOf: (id) => tokens[id],
    idOf: (token) => vocabulary.get(token),
    isSpecial: (id) => specialIds.has(id),
  };
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
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
      `${source} gives the token ${JSON.stringify(token)} the id ${id}, which is not valid.`,
    );
  }
  return id;
}

function readVocabulary(model: JsonObject, source: string): Map<string, number> {
  const { type = "BPE", vocab, merges } = model;
  const entries = asObject(vocab);
  if (type !== "BPE" || !entries || !Array.isArray(merges)) {
    throw new InputError(
      `${source} holds a tokenizer of the type ${JSON.stringify(type)}${type === "BPE" ? " without a vocabulary and merges" : ""}; supported is BPE, which Llama, Mistral, Qwen and SmolLM use.`,
    );
  }
  for (const option of ["dropout", "continuing_subword_prefix"]) {
    if (model[option])
      throw new InputError(`${source} sets "${option}", which is not supported; set it to null.`);
  }
  for (const merge of merges) {
    const parts: unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    if (parts.length !== 2 || parts.some((part) => typeof part !== "string")) {
      throw new InputError(`${source} holds a merge that is not two tokens: ${JSON.stringify(merge)}.`);
    }
  }
  return new Map(Object.entries(entries).map(([token, id]) => [token, checkId(id, token, source)]));
}

function readAddedTokens(list: unknown, source: string): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new InputError(`${source}: "added_tokens" is not a list.`);
  return list.map((entry) => {
    const { content, id, special, normalized, single_word } = asObject(entry) ?? {};
    if (typeof content !== "string" || content === "") {
      throw new InputError(`${source} holds an added token without a text.`);
    }
    if (single_word === true) {
      throw new InputError(
        `${source}: the added token ${JSON.stringify(content)} is to match whole words only ("single_word"), which is not supported.`,
      );
    }
    return {
      ...entry,
      content,
      id: checkId(id, content, source),
      special: special === true,
      normalized: typeof normalized === "boolean" ? normalized : special !== true,
    };
  });
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
    if (!Array.isArray(list)) continue;
    for (const [i, entry] of list.entries()) {
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

/** The part of the library that is used here. Node's module resolution does not find its own declarations. */
interface LibraryTokenizer {
  readonly decoder: LibraryDecoder | null;
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: readonly number[]): string;
}

const { Tokenizer: Library } = library as unknown as {
  readonly Tokenizer: new (tokenizer: object, config: object) => LibraryTokenizer;
};

function createLibraryTokenizer(definition: JsonObject, model: JsonObject, source: string): LibraryTokenizer {
  const parts = { normalizer: null, post_processor: null, decoder: null };
  const preTokenizer = asObject(definition.pre_tokenizer);
  try {
    const tokenizer = new Library(
      {
        ...parts,
        ...definition,
        pre_tokenizer: preTokenizer ? withReferenceClasses(preTokenizer as PreTokenizer) : null,
        model: { type: "BPE", ...model },
      },
      // Transformers does not clean up the spaces that a BPE tokenizer decodes, whatever the configuration says.
      { clean_up_tokenization_spaces: false },
    );
    useReferenceByteFallback(tokenizer.decoder);
    // Some faults of the parts show only in use.
    const { ids } = tokenizer.encode("a", { add_special_tokens: true });
    if (!ids.every(Number.isInteger)) throw new Error("it adds a special token that it does not have");
    return tokenizer;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`${source} cannot be used: ${reason.replace(/[.\s]+$/, "")}.`);
  }
}
