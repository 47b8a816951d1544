/** @file A Hugging Face tokenizer as the metadata of a GGUF file. */

import { isDeepStrictEqual } from "node:util";
import { InputError } from "../errors.ts";
import {
  deriveMerges,
  openGgufTokenizer,
  prefix,
  type SplittingRule,
  spaceNormalizer,
  splittingRules,
  tokenTypes,
} from "./gguf.ts";
import { createTokenizer, type TokenizerFiles } from "./hugging-face.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Metadata by key: whole numbers are uint32, the types of tokens int32, scores float32. */
export type GgufTokenizerMetadata = ReadonlyMap<
  string,
  string | boolean | number | readonly string[] | Int32Array | Float32Array
>;

/** What of tokenizer.json decides how GGUF's metadata are written; it has been checked by `createTokenizer`. */
interface Definition {
  readonly added_tokens?: readonly {
    readonly id: number;
    readonly content: string;
    readonly lstrip?: boolean;
    readonly rstrip?: boolean;
  }[];
  readonly normalizer?: object | null;
  readonly pre_tokenizer?: PreTokenizer | null;
  readonly model: {
    readonly merges: readonly (string | readonly [string, string])[];
    readonly byte_fallback?: boolean;
    readonly ignore_merges?: boolean;
  };
}

/**
 * A tokenizer as GGUF's metadata: byte-level BPE whose way of cutting words llama.cpp knows, or the kind that
 * Transformers makes of SentencePiece's. That they give the same tokens is checked with texts of many kinds.
 *
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @param size rows of the model's embedding; those without a token are filled up
 * @param source what the files came from, for errors
 * @throws InputError if GGUF cannot express the tokenizer.
 */
export function encodeGgufTokenizer(
  files: TokenizerFiles,
  size: number,
  source: string,
): GgufTokenizerMetadata {
  const tokenizer = createTokenizer(files, source);
  const definition = files.tokenizer as Definition;
  const refuse = (reason: string): never => {
    throw new InputError(
      `GGUF cannot express the tokenizer ${source}: ${reason}; export the model as safetensors.`,
    );
  };
  if (tokenizer.vocabularySize > size) {
    refuse(`it has ${tokenizer.vocabularySize} tokens, but the model ${size} embeddings`);
  }
  const stripping = definition.added_tokens?.find(({ lstrip, rstrip }) => lstrip || rstrip);
  if (stripping) refuse(`its token ${JSON.stringify(stripping.content)} takes the spaces beside it`);

  const tokens = Array.from({ length: size }, (_, id) => tokenizer.tokenOf(id) ?? `[PAD${id}]`);
  const types = listTypes(tokenizer, definition, size);
  const merges = definition.model.merges.map((merge) =>
    typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge,
  );
  const { addsBos, addsEos } = findAddedTokens(tokenizer, refuse);
  const values: Record<string, string | boolean | number | readonly string[] | Int32Array | Float32Array> = {
    tokens,
    token_type: types,
    ...(definition.model.byte_fallback
      ? describeSentencePiece(definition, { tokens, types, merges }, refuse)
      : describeByteLevel(definition, merges, refuse)),
  };
  const named = {
    bos: tokenizer.bosTokenId,
    eos: tokenizer.eosTokenId,
    unknown: tokenizer.unkTokenId,
    padding: tokenizer.padTokenId,
  };
  for (const [name, id] of Object.entries(named)) if (id !== undefined) values[`${name}_token_id`] = id;
  values.add_bos_token = addsBos;
  values.add_eos_token = addsEos;

  const metadata = new Map(Object.entries(values).map(([key, value]) => [prefix + key, value]));
  const { chatTemplate, toolUseTemplate } = tokenizer;
  if (chatTemplate !== undefined) metadata.set("tokenizer.chat_template", chatTemplate);
  if (toolUseTemplate !== undefined) metadata.set("tokenizer.chat_template.tool_use", toolUseTemplate);
  checkTokens(tokenizer, openGgufTokenizer(metadata), definition, refuse);
  return metadata;
}

type Refuse = (reason: string) => never;

function listTypes(tokenizer: Tokenizer, { added_tokens = [], model }: Definition, size: number): Int32Array {
  const added = new Set(added_tokens.map(({ id }) => id));
  return Int32Array.from({ length: size }, (_, id) => {
    const token = tokenizer.tokenOf(id);
    if (token === undefined) return tokenTypes.unused;
    if (model.byte_fallback && id === tokenizer.unkTokenId) return tokenTypes.unknown;
    if (tokenizer.isSpecial(id)) return tokenTypes.control;
    if (added.has(id)) return tokenTypes.userDefined;
    return model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(token) ? tokenTypes.byte : tokenTypes.normal;
  });
}

/** Which tokens are added around a text. */
function findAddedTokens(tokenizer: Tokenizer, refuse: Refuse): { addsBos: boolean; addsEos: boolean } {
  const { addsBosToken: addsBos, bosTokenId, eosTokenId } = tokenizer;
  const added = tokenizer.encode("a", { addSpecialTokens: true });
  const addsEos = eosTokenId !== undefined && added.at(-1) === eosTokenId;
  const expected = [
    ...(addsBos ? [bosTokenId] : []),
    ...tokenizer.encode("a"),
    ...(addsEos ? [eosTokenId] : []),
  ];
  if (!isDeepStrictEqual(added, expected))
    refuse("it adds other tokens to a text than those of its beginning and end");
  return { addsBos, addsEos };
}

function describeByteLevel(
  { normalizer = null, pre_tokenizer, model }: Definition,
  merges: readonly (readonly [string, string])[],
  refuse: Refuse,
) {
  const steps = (pre_tokenizer?.pretokenizers ?? [
    pre_tokenizer ?? { type: "none" },
  ]) as readonly PreTokenizer[];
  const fits = (rule: SplittingRule) =>
    isDeepStrictEqual(steps.map(essentials), rule.steps.map(essentials)) &&
    isDeepStrictEqual(normalizer, rule.normalizer ?? null) &&
    (model.ignore_merges ?? false) === (rule.ignoresMerges ?? false);
  const rule = splittingRules.find(fits) ?? refuse("it cuts text into words by a rule that llama.cpp lacks");
  return { model: "gpt2", pre: rule.names[0]!, merges: merges.map((pair) => pair.join(" ")) };
}

/** What of a step decides how it cuts, with the defaults filled in. */
function essentials(step: PreTokenizer): object {
  const { type, pattern, behavior, invert = false } = step;
  const { add_prefix_space = true, use_regex = true, individual_digits = false } = step;
  switch (type) {
    case "Split":
      return { type, pattern, behavior, invert };
    case "ByteLevel":
      return { type, add_prefix_space, use_regex };
    case "Digits":
      return { type, individual_digits };
    default:
      return step;
  }
}

interface Pieces {
  readonly tokens: readonly string[];
  readonly types: Int32Array;
  readonly merges: readonly (readonly [string, string])[];
}

function describeSentencePiece(
  { normalizer = null, pre_tokenizer = null }: Definition,
  pieces: Pieces,
  refuse: Refuse,
) {
  const addsSpace = [true, false].find((adds) => isDeepStrictEqual(normalizer, spaceNormalizer(adds)));
  if (addsSpace === undefined || pre_tokenizer !== null)
    return refuse("it treats spaces otherwise than llama.cpp does");
  return {
    model: "llama",
    pre: "default",
    scores: findScores(pieces, refuse),
    add_space_prefix: addsSpace,
  };
}

/**
 * Scores under which SentencePiece joins what the merges join: a piece's is the better, the earlier the first merge
 * that makes it.
 */
function findScores({ tokens, types, merges }: Pieces, refuse: Refuse): Float32Array {
  const ranks = new Map<string, number>();
  let last: string | undefined;
  for (const [rank, pair] of merges.entries()) {
    const piece = pair.join("");
    if (ranks.has(piece) && piece !== last) refuse("it has merges of one piece with others between them");
    if (piece !== last) ranks.set(piece, rank);
    last = piece;
  }
  const scores = Float32Array.from(tokens, (token) => -1 - (ranks.get(token) ?? merges.length));
  const normal = new Set(tokens.filter((_, id) => types[id] === tokenTypes.normal));
  const derived = deriveMerges(tokens, types, scores).filter((pair) => normal.has(pair.join("")));
  const asTexts = (pairs: readonly (readonly [string, string])[]) =>
    pairs.map((pair) => JSON.stringify(pair)).sort();
  if (!isDeepStrictEqual(asTexts(derived), asTexts(merges)))
    refuse("its merges are not those of SentencePiece");
  return scores;
}

/** Letters of several scripts, composed and not, numbers, punctuation, contractions, code, and spaces of all kinds. */
const probes = [
  "The quick brown fox can't jump over 12345 lazy dogs; it's 3.14 % of 1,000,000, they'll say.",
  "  leading and trailing spaces,\ttabs\n\nand\r\nlines  \n   ",
  "def f(x):\n    return x**2 + 1  # naïve café, cafe\u0301",
  "Grüße aus Köln — «Привет, мир!» 日本語のテキスト العربية हिन्दी ๑๒๓ ½ ⅷ 🙂👩‍👩‍👧",
  "HTML <b>bold</b> & {json: [1, 2]} $x_1 \\frac{a}{b} a@b.cd https://example.org/?q=a%20b \u00a0\u3000\u200b",
  "",
  " ",
];

/** Compares the tokens of both, of texts with the added tokens among them. */
function checkTokens(
  original: Tokenizer,
  written: Tokenizer,
  { added_tokens = [] }: Definition,
  refuse: Refuse,
): void {
  const among = added_tokens.map(({ content }) => `a${content}b ${content} c`);
  for (const text of [...probes, ...among]) {
    for (const addSpecialTokens of [false, true]) {
      const ids = original.encode(text, { addSpecialTokens });
      const same =
        isDeepStrictEqual(written.encode(text, { addSpecialTokens }), ids) &&
        written.decode(ids) === original.decode(ids);
      if (!same) refuse(`llama.cpp would read the text ${JSON.stringify(text)} otherwise`);
    }
  }
}
