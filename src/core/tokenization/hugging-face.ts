/** @file Tokenizers in Hugging Face's files: tokenizer.json and the files around it. */

import { InputError } from "../errors.ts";
import { readJsonFile, readTextFile, type SourceFolder } from "../formats/byte-source.ts";
import { type AddedToken, createAddedTokenFinder } from "./added-tokens.ts";
import { boundTokenizer } from "./bounded-tokenizer.ts";
import { type BytePairModel, createWordEncoder } from "./byte-pair-model.ts";
import { createDecoder, type Decoder } from "./decoder.ts";
import { createNormalizer, keepsBeginning, type Normalizer } from "./normalizer.ts";
import { type PostProcessor, readPostProcessor } from "./post-processor.ts";
import { checkFirstPiece, createPreTokenizer, type PreTokenizer } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { addNamedTokens, asObject, type JsonObject, readAddedTokens, readModel } from "./vocabulary.ts";

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
 *
 * @example
 * const { blobFolder } = await import("slimtune/web");
 * const names = ["config.json", "tokenizer.json", "model.safetensors"];
 * const files = names.map(async (name) => new File([await (await fetch(name)).blob()], name));
 * const tokenizer = await openFolderTokenizer(blobFolder(await Promise.all(files), "the model"));
 * console.log(tokenizer.encode("Once there was"));
 */
export async function openFolderTokenizer(folder: SourceFolder): Promise<Tokenizer> {
  return createTokenizer(await readTokenizerFiles(folder), `${folder.name}/tokenizer.json`);
}

const advice = "download it again";

/**
 * The files of a model folder's tokenizer, parsed.
 *
 * @throws InputError if tokenizer.json is missing or one of the files is not valid JSON.
 */
export async function readTokenizerFiles(folder: SourceFolder): Promise<TokenizerFiles> {
  const { name, files } = folder;
  if (!files.has("tokenizer.json")) {
    throw new InputError(
      `${name} holds no tokenizer.json; save the tokenizer with Transformers' save_pretrained to get one.`,
    );
  }
  const json = async (file: string) => (files.has(file) ? readJsonFile(folder, file, advice) : undefined);
  const template = "chat_template.jinja";
  return {
    tokenizer: await json("tokenizer.json"),
    config: await json("tokenizer_config.json"),
    specialTokensMap: await json("special_tokens_map.json"),
    generationConfig: await json("generation_config.json"),
    chatTemplate: files.has(template) ? await readTextFile(folder, template, advice) : undefined,
  };
}

/**
 * A tokenizer from the parsed contents of its files.
 *
 * @param source what the contents came from, for errors
 * @param model in the place of tokenizer.json's
 * @throws InputError if the contents are no tokenizer or use a part that is not supported.
 */
export function createTokenizer(files: TokenizerFiles, source: string, model?: BytePairModel): Tokenizer {
  return boundTokenizer(files.tokenizer, source, () => buildTokenizer(files, source, model));
}

function buildTokenizer(files: TokenizerFiles, source: string, given?: BytePairModel): Tokenizer {
  const definition = asObject(files.tokenizer);
  const model = asObject(definition?.model);
  if (!definition || !(model || given))
    throw new InputError(`${source} is not a tokenizer: it has no "model".`);
  const pairs = given ?? readModel(model!, source);
  const config = asObject(files.config) ?? {};
  const { added_tokens } = definition;
  const addedTokens = readAddedTokens(added_tokens, config.added_tokens_decoder, pairs.vocabulary, source);
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
    addsBosToken: bosTokenId !== undefined && before[0] === bosTokenId,
    chatTemplate: files.chatTemplate ?? readChatTemplate(config.chat_template),
    toolUseTemplate:
      files.chatTemplate === undefined ? readNamedTemplate(config.chat_template, "tool_use") : undefined,
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
  return typeof template === "string" ? template : readNamedTemplate(template, "default");
}

/** One of several templates. */
function readNamedTemplate(templates: unknown, name: string): string | undefined {
  if (!Array.isArray(templates)) return undefined;
  const found = asObject(templates.find((entry) => asObject(entry)?.name === name))?.template;
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
