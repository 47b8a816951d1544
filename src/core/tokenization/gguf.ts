/** @file Tokenizers in GGUF files, brought into the form of tokenizer.json. */

import { InputError } from "../errors.ts";
import { createTokenizer } from "./hugging-face.ts";
import { byteLevel, gpt2Words, type PreTokenizer, splitBy } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The metadata of a GGUF file by key. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

/** The contents of tokenizer.json and tokenizer_config.json. */
export interface ConvertedTokenizer {
  readonly tokenizer: object;
  readonly config: object;
}

/**
 * The tokenizer of a GGUF file, with the same token ids as llama.cpp gives with special tokens recognized.
 *
 * Source: the keys `tokenizer.ggml.*` of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws InputError if the metadata holds none, or one of a kind that is not supported.
 */
export function openGgufTokenizer(metadata: GgufMetadata): Tokenizer {
  return createTokenizer(convertGgufTokenizer(metadata), "The tokenizer in the GGUF file");
}

/**
 * The same tokenizer as Hugging Face's files write it, so that it can be saved beside a converted model.
 *
 * @throws InputError as `openGgufTokenizer` does.
 */
export function convertGgufTokenizer(metadata: GgufMetadata): ConvertedTokenizer {
  const vocabulary = readVocabulary(metadata);
  const model = metadata.get(`${prefix}model`);
  if (model === "gpt2") return convertByteLevel(vocabulary, metadata);
  if (model === "llama") return convertSentencePiece(vocabulary, metadata);
  throw new InputError(
    `The GGUF file's tokenizer is of the type ${JSON.stringify(model)}; supported are "gpt2" (byte-level BPE) and "llama" (SentencePiece).`,
  );
}

export const prefix = "tokenizer.ggml.";

/** GGUF's values of a token's type. Files without types have normal tokens only. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
}

function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const tokens = readTexts(metadata, "tokens");
  const types = readNumbers(metadata, "token_type", tokens.length) ?? tokens.map(() => tokenTypes.normal);
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const earlier = ids.get(token);
    if (earlier !== undefined) {
      throw new InputError(
        `The GGUF file's tokenizer has the token ${JSON.stringify(token.slice(0, 80))} twice, with the ids ${earlier} and ${id}.`,
      );
    }
    ids.set(token, id);
  }
  return { tokens, types };
}

function convertByteLevel(vocabulary: Vocabulary, metadata: GgufMetadata): ConvertedTokenizer {
  // Files from before the key existed, which llama.cpp reads as "default".
  const name = metadata.get(`${prefix}pre`) ?? "default";
  const found = splittingRules.find(({ names }) => names.some((known) => known === name));
  if (!found) {
    const known = splittingRules.flatMap(({ names }) => names).join(", ");
    throw new InputError(
      `The GGUF file's tokenizer splits words by the rule ${JSON.stringify(name)}, which is not supported; supported are ${known}.`,
    );
  }
  return assemble(vocabulary, metadata, {
    addsBos: found.addsBos ?? false,
    normalizer: found.normalizer ?? null,
    preTokenizer: { type: "Sequence", pretokenizers: found.steps },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      merges: readTexts(metadata, "merges"),
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: found.ignoresMerges ?? false,
    },
  });
}

/** A rule by which text is cut into words before byte-pair merging. */
export interface SplittingRule {
  /** Values of `tokenizer.ggml.pre`. */
  readonly names: readonly string[];
  readonly steps: readonly PreTokenizer[];
  readonly normalizer?: object;
  /** Whether a word that is in the vocabulary becomes its token even where merges would not lead to it. */
  readonly ignoresMerges?: boolean;
  /** Whether the beginning-of-sequence token is added where the file does not say. Default false. */
  readonly addsBos?: boolean;
}

/** The splitting of GPT-4's family, which differs in how many digits make a word. */
function gpt4Words(digits: string): string {
  return String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
}

/** The rules of the models whose blocks are supported, and GPT-2's. Source: llama.cpp's src/llama-vocab.cpp. */
export const splittingRules: readonly SplittingRule[] = [
  {
    names: ["default"],
    steps: [
      splitBy(String.raw`[\p{P}\$\+<=>\^~\|]+`),
      splitBy(gpt2Words),
      splitBy(String.raw`\p{N}+`),
      splitBy("[0-9][0-9][0-9]"),
      byteLevel({ useRegex: false }),
    ],
  },
  { names: ["gpt-2"], steps: [byteLevel({ useRegex: true })] },
  { names: ["smollm"], steps: [{ type: "Digits", individual_digits: true }, byteLevel({ useRegex: true })] },
  {
    names: ["llama-bpe", "llama3", "llama-v3"],
    steps: [splitBy(gpt4Words(String.raw`\p{N}{1,3}`)), byteLevel({ useRegex: false })],
    ignoresMerges: true,
    addsBos: true,
  },
  {
    names: ["qwen2", "deepseek-r1-qwen"],
    steps: [splitBy(gpt4Words(String.raw`\p{N}`)), byteLevel({ useRegex: false })],
    // llama.cpp leaves it out, but Qwen's own tokenizer, with which the models were trained, has it.
    normalizer: { type: "NFC" },
  },
];

/** SentencePiece's mark of a space. */
const spaceMark = "▁";

/** Marks spaces, and on demand puts one before the text. */
export function spaceNormalizer(addsSpace: boolean): object {
  const prepend = { type: "Prepend", prepend: spaceMark };
  const replace = { type: "Replace", pattern: { String: " " }, content: spaceMark };
  return { type: "Sequence", normalizers: [...(addsSpace ? [prepend] : []), replace] };
}

function convertSentencePiece(vocabulary: Vocabulary, metadata: GgufMetadata): ConvertedTokenizer {
  const { tokens, types } = vocabulary;
  const scores = readNumbers(metadata, "scores", tokens.length);
  if (!scores) throw new InputError(`The GGUF file's tokenizer lacks "${prefix}scores"; convert it again.`);
  const addsSpace = readFlag(metadata, "add_space_prefix", true);
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return assemble(vocabulary, metadata, {
    addsBos: true,
    normalizer: spaceNormalizer(addsSpace),
    preTokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: spaceMark }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(addsSpace ? [strip] : []),
      ],
    },
    model: {
      merges: deriveMerges(tokens, types, scores),
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
    },
  });
}

/** No published SentencePiece vocabulary has pieces near this length, and the work per piece grows with its square. */
const maximumPieceLength = 512;

/**
 * The merges that a SentencePiece vocabulary implies. SentencePiece joins the two neighbours whose union has the best
 * score, so every way to cut a piece into two others is a merge, ranked by the piece's score. Ties are broken as
 * Transformers' converter breaks them: by the lengths of the parts in characters, longer first, then by their ids.
 */
export function deriveMerges(
  tokens: readonly string[],
  types: ArrayLike<number>,
  scores: ArrayLike<number>,
): [string, string][] {
  const pieces = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const { unknown, control, byte } = tokenTypes;
    if (types[id] !== unknown && types[id] !== control && types[id] !== byte) pieces.set(token, id);
  }
  const merges: { left: string; right: string; score: number; lengths: [number, number] }[] = [];
  for (const [piece, id] of pieces) {
    const characters = Array.from(piece);
    if (characters.length > maximumPieceLength) {
      throw new InputError(
        `The GGUF file's tokenizer has a piece of ${characters.length} characters (token ${id}), which is not valid.`,
      );
    }
    const cuts: typeof merges = [];
    for (let length = 1; length < characters.length; length++) {
      const left = characters.slice(0, length).join("");
      const right = piece.slice(left.length);
      if (!pieces.has(left) || !pieces.has(right)) continue;
      cuts.push({ left, right, score: scores[id]!, lengths: [length, characters.length - length] });
    }
    merges.push(...cuts.sort((a, b) => pieces.get(a.left)! - pieces.get(b.left)!));
  }
  merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]);
  return merges.map(({ left, right }) => [left, right]);
}

interface Parts {
  readonly addsBos: boolean;
  readonly normalizer: object | null;
  readonly preTokenizer: object | null;
  readonly decoder: object;
  readonly model: { readonly fuse_unk: boolean; readonly [option: string]: unknown };
}

function assemble({ tokens, types }: Vocabulary, metadata: GgufMetadata, parts: Parts): ConvertedTokenizer {
  const tokenOf = (key: string): string | undefined => {
    const id = metadata.get(`${prefix}${key}`);
    if (id === undefined) return undefined;
    const token = typeof id === "number" || typeof id === "bigint" ? tokens[Number(id)] : undefined;
    if (token !== undefined) return token;
    throw new InputError(
      `The GGUF file's "${prefix}${key}" is ${String(id).slice(0, 80)}, but its tokenizer has ${tokens.length} tokens.`,
    );
  };
  const bos = tokenOf("bos_token_id");
  const eos = tokenOf("eos_token_id");
  const unk = tokenOf("unknown_token_id") ?? tokens.find((_, id) => types[id] === tokenTypes.unknown);
  const named = { bos_token: bos, eos_token: eos, unk_token: unk, pad_token: tokenOf("padding_token_id") };
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const { unknown, control, userDefined } = tokenTypes;
  const added = tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== unknown && type !== control && type !== userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...flags, special: type !== userDefined }];
  });
  const addsBos = bos !== undefined && readFlag(metadata, "add_bos_token", parts.addsBos);
  const addsEos = eos !== undefined && readFlag(metadata, "add_eos_token", false);
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
  const sequence = (id: string) => [
    ...(addsBos ? [special(bos)] : []),
    { Sequence: { id, type_id: 0 } },
    ...(addsEos ? [special(eos)] : []),
  ];
  const used = [...(addsBos ? [bos] : []), ...(addsEos ? [eos] : [])];

  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: parts.normalizer,
      pre_tokenizer: parts.preTokenizer,
      post_processor: {
        type: "TemplateProcessing",
        single: sequence("A"),
        pair: [...sequence("A"), ...sequence("B")],
        special_tokens: Object.fromEntries(
          used.map((token) => [token, { id: token, ids: [vocab[token]], tokens: [token] }]),
        ),
      },
      decoder: parts.decoder,
      model: {
        type: "BPE",
        dropout: null,
        // A byte-level vocabulary leaves out bytes that it lacks; only SentencePiece's puts its unknown token there.
        unk_token: parts.model.fuse_unk && unk !== undefined ? unk : null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        ...parts.model,
        vocab,
      },
    },
    config: {
      // The class that takes tokenizer.json as it is.
      tokenizer_class: "PreTrainedTokenizerFast",
      ...Object.fromEntries(Object.entries(named).filter(([, token]) => token !== undefined)),
      clean_up_tokenization_spaces: false,
      ...readChatTemplate(metadata),
    },
  };
}

function readChatTemplate(metadata: GgufMetadata): { chat_template?: string | object[] } {
  const template = metadata.get("tokenizer.chat_template");
  const withTools = metadata.get("tokenizer.chat_template.tool_use");
  if (typeof template !== "string") return {};
  if (typeof withTools !== "string") return { chat_template: template };
  return {
    chat_template: [
      { name: "default", template },
      { name: "tool_use", template: withTools },
    ],
  };
}

function readTexts(metadata: GgufMetadata, key: string): readonly string[] {
  const values = metadata.get(`${prefix}${key}`);
  if (!Array.isArray(values) || values.some((value) => typeof value !== "string")) {
    throw new InputError(`The GGUF file lacks its tokenizer: "${prefix}${key}" is not a list of texts.`);
  }
  return values;
}

/** A list with one number per token, or undefined if the file has none. */
function readNumbers(metadata: GgufMetadata, key: string, length: number): ArrayLike<number> | undefined {
  const values = metadata.get(`${prefix}${key}`);
  if (values === undefined) return undefined;
  const list = ArrayBuffer.isView(values) ? Array.from(values as unknown as ArrayLike<unknown>) : values;
  if (
    !Array.isArray(list) ||
    list.length !== length ||
    list.some((value) => typeof value !== "number" || Number.isNaN(value))
  ) {
    throw new InputError(
      `The GGUF file's "${prefix}${key}" is not a list of ${length} numbers, one per token.`,
    );
  }
  return list;
}

function readFlag(metadata: GgufMetadata, key: string, byDefault: boolean): boolean {
  const value = metadata.get(`${prefix}${key}`) ?? byDefault;
  if (typeof value === "boolean") return value;
  throw new InputError(`The GGUF file's "${prefix}${key}" is not true or false.`);
}
