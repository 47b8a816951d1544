/** @file A Hugging Face tokenizer as the metadata of a GGUF file. */

import { areEqual } from "../equal.ts";
import { InputError } from "../errors.ts";
import type { Merges } from "./byte-pair-model.ts";
import {
  deriveMerges,
  openGgufTokenizer,
  prefix,
  type SplittingRule,
  spaceMark,
  spaceNormalizer,
  splittingRules,
  takesSpacesBehind,
  tokenTypes,
  type Vocabulary,
} from "./gguf.ts";
import { createTokenizer, type TokenizerFiles } from "./hugging-face.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readMerges } from "./vocabulary.ts";

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
  readonly normalizer?: (object & { readonly normalizers?: readonly object[] }) | null;
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
 * @param name the model's, by which llama.cpp knows whether added tokens take the spaces behind them
 * @param source what the files came from, for errors
 * @returns with `general.name`, which says Phi-3 if and only if the tokens need it
 * @throws InputError if GGUF cannot express the tokenizer.
 */
export function encodeGgufTokenizer(
  files: TokenizerFiles,
  size: number,
  name: string,
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
  const tokens = Array.from({ length: size }, (_, id) => tokenizer.tokenOf(id) ?? `[PAD${id}]`);
  const types = listTypes(tokenizer, definition, size);
  const { addsBos, addsEos } = findAddedTokens(tokenizer, refuse);
  const values: Record<string, string | boolean | number | readonly string[] | Int32Array | Float32Array> = {
    tokens,
    token_type: types,
    ...(definition.model.byte_fallback
      ? describeSentencePiece(definition, { tokens, types }, refuse)
      : describeByteLevel(definition, refuse)),
  };
  const named = {
    bos: tokenizer.bosTokenId,
    eos: tokenizer.eosTokenId,
    unknown: tokenizer.unkTokenId,
    padding: tokenizer.padTokenId,
  };
  for (const [role, id] of Object.entries(named)) if (id !== undefined) values[`${role}_token_id`] = id;
  values.add_bos_token = addsBos;
  values.add_eos_token = addsEos;

  const metadata = new Map(Object.entries(values).map(([key, value]) => [prefix + key, value]));
  metadata.set("general.name", chooseName(name, definition, refuse));
  const { chatTemplate, toolUseTemplate } = tokenizer;
  if (chatTemplate !== undefined) metadata.set("tokenizer.chat_template", chatTemplate);
  if (toolUseTemplate !== undefined) metadata.set("tokenizer.chat_template.tool_use", toolUseTemplate);
  const { unknown, control, userDefined } = tokenTypes;
  const cutOut = tokens.filter((_, id) => [unknown, control, userDefined].some((type) => types[id] === type));
  checkTokens(tokenizer, openGgufTokenizer(metadata), cutOut, refuse);
  return metadata;
}

type Refuse = (reason: string) => never;

/** The model's name, changed where llama.cpp would else let other added tokens take the spaces behind them. */
function chooseName(name: string, { added_tokens = [] }: Definition, refuse: Refuse): string {
  const chosen = [name, `${name} (Phi-3)`, name.replace(/phi-?3/gi, "Phi 3")].find((candidate) => {
    const takesSpaces = takesSpacesBehind(candidate);
    return added_tokens.every(
      ({ content, lstrip = false, rstrip = false }) => !lstrip && rstrip === takesSpaces(content),
    );
  });
  const taking = added_tokens.find(({ lstrip, rstrip }) => lstrip || rstrip);
  return chosen ?? refuse(`its token ${JSON.stringify(taking?.content)} takes the spaces beside it`);
}

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
  if (!areEqual(added, expected))
    refuse("it adds other tokens to a text than those of its beginning and end");
  return { addsBos, addsEos };
}

function describeByteLevel({ normalizer = null, pre_tokenizer, model }: Definition, refuse: Refuse) {
  const steps = (pre_tokenizer?.pretokenizers ?? [
    pre_tokenizer ?? { type: "none" },
  ]) as readonly PreTokenizer[];
  const fits = (rule: SplittingRule) =>
    areEqual(steps.map(essentials), rule.steps.map(essentials)) &&
    areEqual(normalizer, rule.normalizer ?? null) &&
    (model.ignore_merges ?? false) === (rule.ignoresMerges ?? false);
  const rule = splittingRules.find(fits) ?? refuse("it cuts text into words by a rule that llama.cpp lacks");
  const merges = model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  return { model: "gpt2", pre: rule.names[0]!, merges };
}

/** What of a step decides how it cuts, with the defaults filled in. */
function essentials(step: PreTokenizer): object {
  const { type, pattern, behavior, invert = false } = step;
  const { add_prefix_space = true, use_regex = true, individual_digits = false } = step;
  switch (type) {
    case "Split":
      // The rules' expressions match every character, so that keeping what they match leaves out nothing.
      return behavior === "Removed" && invert
        ? { type, pattern, behavior: "Isolated", invert: false }
        : { type, pattern, behavior, invert };
    case "ByteLevel":
      return { type, add_prefix_space, use_regex };
    case "Digits":
      return { type, individual_digits };
    default:
      return step;
  }
}

function describeSentencePiece(
  { normalizer, pre_tokenizer, model }: Definition,
  { tokens, types }: Omit<Vocabulary, "ids">,
  refuse: Refuse,
) {
  const steps = normalizer?.normalizers ?? [normalizer];
  const addsSpace = [true, false].find((adds) => areEqual(steps, spaceNormalizer(adds).normalizers));
  // Gemma's cuts at spaces, of which its normalizer leaves none.
  const cuts = pre_tokenizer && !areEqual(pre_tokenizer.pattern, { String: " " });
  if (addsSpace === undefined || cuts) return refuse("it treats spaces otherwise than llama.cpp does");
  const vocabulary = { tokens, types, ids: new Map(tokens.map((token, id) => [token, id])) };
  const substitutes = { unkToken: undefined, byteFallback: false };
  const merges = readMerges(model.merges, vocabulary.ids, substitutes, "The tokenizer");
  return {
    model: "llama",
    pre: "default",
    tokens: addsSpace
      ? tokens
      : tokens.map((token, id) => (types[id] === tokenTypes.userDefined ? withSpaces(token) : token)),
    scores: findScores(vocabulary, merges, refuse),
    add_space_prefix: addsSpace,
  };
}

/** Runs of spaces that are tokens of their own as SentencePiece has them. */
function withSpaces(token: string): string {
  return /^▁{2,}$/.test(token) ? token.replaceAll(spaceMark, " ") : token;
}

/**
 * Scores under which SentencePiece joins what the merges join: a piece's is the better, the earlier the first merge
 * that makes it.
 */
function findScores(vocabulary: Vocabulary, merges: Merges, refuse: Refuse): Float32Array {
  const { tokens, types } = vocabulary;
  const ranks = new Map<number, number>();
  let last: number | undefined;
  for (const [rank, piece] of merges.joined.entries()) {
    if (ranks.has(piece) && piece !== last) refuse("it has merges of one piece with others between them");
    if (piece !== last) ranks.set(piece, rank);
    last = piece;
  }
  const scores = Float32Array.from(tokens, (_, id) => -1 - (ranks.get(id) ?? merges.joined.length));
  // A text that holds one of the others is cut there before anything is joined.
  const isJoined = (id: number) => types[id] === tokenTypes.normal;
  const ofPieces = ({ left, right, joined }: Merges) =>
    Array.from(joined, (piece, i) => [left[i]!, right[i]!, piece])
      .filter((ids) => ids.every(isJoined))
      .map(([first, second]) => first! * tokens.length + second!)
      .sort((a, b) => a - b);
  if (!areEqual(ofPieces(deriveMerges(vocabulary, scores)), ofPieces(merges)))
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

/** Compares the tokens of both, of texts with those tokens among them that are cut out before others are joined. */
function checkTokens(
  original: Tokenizer,
  written: Tokenizer,
  cutOut: readonly string[],
  refuse: Refuse,
): void {
  const among = new Set(cutOut.flatMap((token) => [token, withSpaces(token)]));
  for (const text of [...probes, ...Array.from(among, (token) => `a${token}b ${token} c`)]) {
    for (const addSpecialTokens of [false, true]) {
      const ids = original.encode(text, { addSpecialTokens });
      const same =
        areEqual(written.encode(text, { addSpecialTokens }), ids) &&
        written.decode(ids) === original.decode(ids);
      if (!same) refuse(`llama.cpp would read the text ${JSON.stringify(text)} otherwise`);
    }
  }
}
