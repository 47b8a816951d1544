/** @file Tokenizers in GGUF files, brought into the form of tokenizer.json. */

import { InputError } from "../errors.ts";
import type { BytePairModel, Merges } from "./byte-pair-model.ts";
import { createTokenizer } from "./hugging-face.ts";
import { isWithinCharacter } from "./pattern.ts";
import { byteLevel, gpt2Words, type PreTokenizer, splitBy } from "./pre-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readMerges } from "./vocabulary.ts";

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
  const { model, ...files } = readTokenizer(metadata);
  return createTokenizer(files, source, model);
}

const source = "The tokenizer in the GGUF file";

/**
 * The same tokenizer as Hugging Face's files write it, so that it can be saved beside a converted model.
 *
 * @throws InputError as `openGgufTokenizer` does.
 */
export function convertGgufTokenizer(metadata: GgufMetadata): ConvertedTokenizer {
  const { model, tokenizer, config } = readTokenizer(metadata);
  const { vocabulary, merges, unkToken, fuseUnk, byteFallback, ignoreMerges } = model;
  const tokens = [...vocabulary.keys()];
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      ...tokenizer,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: unkToken ?? null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: fuseUnk,
        byte_fallback: byteFallback,
        ignore_merges: ignoreMerges,
        vocab: Object.fromEntries(vocabulary),
        merges: Array.from(merges.left, (left, i) => [tokens[left], tokens[merges.right[i]!]]),
      },
    },
    config,
  };
}

/** The contents of the files but for the model, which large vocabularies have in a form that is quick to make. */
interface ReadTokenizer extends ConvertedTokenizer {
  readonly model: BytePairModel;
}

function readTokenizer(metadata: GgufMetadata): ReadTokenizer {
  const tokens = readTexts(metadata, "tokens");
  const types = readNumbers(metadata, "token_type", tokens.length) ?? tokens.map(() => tokenTypes.normal);
  const model = metadata.get(`${prefix}model`);
  if (model === "gpt2") return readByteLevel(indexTokens({ tokens, types }), metadata);
  if (model === "llama") return readSentencePiece({ tokens, types }, metadata);
  throw new InputError(
    `The GGUF file's tokenizer is of the type ${JSON.stringify(model)}; supported are "gpt2" (byte-level BPE) and "llama" (SentencePiece).`,
  );
}

export const prefix = "tokenizer.ggml.";

/** GGUF's values of a token's type. Files without types have normal tokens only. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Tokens by their ids. */
interface Tokens {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
}

export interface Vocabulary extends Tokens {
  readonly ids: ReadonlyMap<string, number>;
}

function indexTokens({ tokens, types }: Tokens): Vocabulary {
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
  return { tokens, types, ids };
}

function readByteLevel(vocabulary: Vocabulary, metadata: GgufMetadata): ReadTokenizer {
  // Files from before the key existed, which llama.cpp reads as "default".
  const name = metadata.get(`${prefix}pre`) ?? "default";
  const found = splittingRules.find(({ names }) => names.some((known) => known === name));
  if (!found) {
    const known = splittingRules.flatMap(({ names }) => names).join(", ");
    throw new InputError(
      `The GGUF file's tokenizer splits words by the rule ${JSON.stringify(name)}, which is not supported; supported are ${known}.`,
    );
  }
  const substitutes = { unkToken: undefined, byteFallback: false };
  const merges = readMerges(readTexts(metadata, "merges"), vocabulary.ids, substitutes, source);
  return assemble(vocabulary, metadata, {
    addsBos: found.addsBos ?? false,
    normalizer: found.normalizer ?? null,
    preTokenizer: { type: "Sequence", pretokenizers: found.steps },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    // A byte-level vocabulary leaves out bytes that it lacks; only SentencePiece's puts its unknown token there.
    model: { merges, fuseUnk: false, byteFallback: false, ignoreMerges: found.ignoresMerges ?? false },
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

/** The splitting of GPT-4o's family, which cuts words also where capitals begin. */
const gpt4oWords = (() => {
  const [upper, lower] = [String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`];
  const word = (letters: string) => String.raw`[^\r\n\p{L}\p{N}]?${letters}(?i:'s|'t|'re|'ve|'m|'ll|'d)?`;
  const words = `${word(`${upper}*${lower}+`)}|${word(`${upper}+${lower}*`)}`;
  return String.raw`${words}|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
})();

const llama3Steps = [splitBy(gpt4Words(String.raw`\p{N}{1,3}`)), byteLevel({ useRegex: false })];

/**
 * The rules of the models whose blocks are supported, and GPT-2's. Of a rule's names the first is written.
 *
 * Source: llama.cpp's src/llama-vocab.cpp; which models have which name, its convert_hf_to_gguf.py.
 */
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
  {
    // SmolLM and SmolLM2; Granite 3.
    names: ["smollm", "refact"],
    steps: [{ type: "Digits", individual_digits: true }, byteLevel({ useRegex: true })],
  },
  { names: ["llama-bpe", "llama3", "llama-v3"], steps: llama3Steps, ignoresMerges: true, addsBos: true },
  // Phi-4, OLMo 2 and Granite 4; SmolLM3.
  { names: ["dbrx", "smaug-bpe"], steps: llama3Steps },
  // Phi-4-mini.
  { names: ["gpt-4o"], steps: [splitBy(gpt4oWords), byteLevel({ useRegex: false })] },
  {
    names: ["qwen2", "deepseek-r1-qwen"],
    steps: [splitBy(gpt4Words(String.raw`\p{N}`)), byteLevel({ useRegex: false })],
    // llama.cpp leaves it out, but Qwen's own tokenizer, with which the models were trained, has it.
    normalizer: { type: "NFC" },
  },
];

/** SentencePiece's mark of a space. */
export const spaceMark = "▁";

/** Marks spaces, and on demand puts one before the text. */
export function spaceNormalizer(addsSpace: boolean) {
  const prepend = { type: "Prepend", prepend: spaceMark };
  const replace = { type: "Replace", pattern: { String: " " }, content: spaceMark };
  return { type: "Sequence", normalizers: [...(addsSpace ? [prepend] : []), replace] };
}

function readSentencePiece(written: Tokens, metadata: GgufMetadata): ReadTokenizer {
  const addsSpace = readFlag(metadata, "add_space_prefix", true);
  const vocabulary = indexTokens(addsSpace ? written : markSpaces(written));
  const scores = readNumbers(metadata, "scores", vocabulary.tokens.length);
  if (!scores) throw new InputError(`The GGUF file's tokenizer lacks "${prefix}scores"; convert it again.`);
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
      merges: deriveMerges(vocabulary, scores),
      fuseUnk: true,
      byteFallback: true,
      ignoreMerges: false,
    },
  });
}

/** The tokens, with the user-defined ones of spaces spelled as Gemma's tokenizer.json has them: joined, and not cut out. */
function markSpaces({ tokens, types }: Tokens): Tokens {
  const known = new Set(tokens);
  const spell = (token: string, id: number): string => {
    if (types[id] !== tokenTypes.userDefined || !/^ {2,}$/.test(token)) return token;
    const marked = token.replaceAll(" ", spaceMark);
    return known.has(marked) ? token : marked;
  };
  return { tokens: tokens.map(spell), types };
}

/** No published SentencePiece vocabulary has pieces near this length, and the work per piece grows with its square. */
const maximumPieceLength = 512;

/**
 * The merges that a SentencePiece vocabulary implies. SentencePiece joins the two neighbours whose union has the best
 * score, so every way to cut a piece into two others is a merge, ranked by the piece's score. Ties are broken as
 * Transformers' converter breaks them: by the lengths of the parts in characters, longer first, then by their ids.
 * User-defined pieces, which SentencePiece finds before it joins any, come first, in their order, as in Transformers.
 */
export function deriveMerges({ tokens, types, ids }: Vocabulary, scores: ArrayLike<number>): Merges {
  const { unknown, control, userDefined, byte } = tokenTypes;
  const isPiece = (id: number) => types[id] !== unknown && types[id] !== control && types[id] !== byte;
  const scoreOf = (id: number) => (types[id] === userDefined ? Number.MAX_SAFE_INTEGER - id : scores[id]!);
  const lengths = tokens.map((token) => Array.from(token).length);
  const [lefts, rights, unions]: [number[], number[], number[]] = [[], [], []];
  for (const [id, piece] of tokens.entries()) {
    if (!isPiece(id)) continue;
    if (lengths[id]! > maximumPieceLength) {
      throw new InputError(
        `The GGUF file's tokenizer has a piece of ${lengths[id]} characters (token ${id}), which is not valid.`,
      );
    }
    // From the end on, so that they are nearly sorted.
    for (let cut = piece.length - 1; cut > 0; cut--) {
      const left = isWithinCharacter(piece, cut) ? undefined : ids.get(piece.slice(0, cut));
      if (left === undefined || !isPiece(left)) continue;
      const right = ids.get(piece.slice(cut));
      if (right === undefined || !isPiece(right)) continue;
      lefts.push(left);
      rights.push(right);
      unions.push(id);
    }
  }
  const order = Array.from(unions.keys()).sort(
    (a, b) =>
      scoreOf(unions[b]!) - scoreOf(unions[a]!) ||
      lengths[lefts[b]!]! - lengths[lefts[a]!]! ||
      lengths[rights[b]!]! - lengths[rights[a]!]!,
  );
  const [left, right, joined] = [lefts, rights, unions].map((ids) => Int32Array.from(order, (i) => ids[i]!));
  return { left: left!, right: right!, joined: joined! };
}

interface Parts {
  readonly addsBos: boolean;
  readonly normalizer: object | null;
  readonly preTokenizer: object | null;
  readonly decoder: object;
  readonly model: Omit<BytePairModel, "vocabulary" | "unkToken">;
}

function assemble(
  { tokens, types, ids }: Vocabulary,
  metadata: GgufMetadata,
  { addsBos: addsBosByDefault, normalizer, preTokenizer, decoder, model }: Parts,
): ReadTokenizer {
  const tokenOf = (key: string): string | undefined => {
    const id = metadata.get(`${prefix}${key}`);
    if (id === undefined) return undefined;
    const token = typeof id === "number" || typeof id === "bigint" ? tokens[Number(id)] : undefined;
    if (token !== undefined) return token;
    throw new InputError(
      `The GGUF file's "${prefix}${key}" is ${String(id).slice(0, 80)}, but its tokenizer has ${tokens.length} tokens.`,
    );
  };
  const { unknown, control, userDefined } = tokenTypes;
  const bos = tokenOf("bos_token_id");
  const eos = tokenOf("eos_token_id");
  const unk = tokenOf("unknown_token_id") ?? tokens.find((_, id) => types[id] === unknown);
  const named = { bos_token: bos, eos_token: eos, unk_token: unk, pad_token: tokenOf("padding_token_id") };
  const takesSpaces = takesSpacesBehind(metadata.get("general.name"));
  const added = tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== unknown && type !== control && type !== userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: takesSpaces(content), normalized: false };
    return [{ id, content, ...flags, special: type !== userDefined }];
  });
  const addsBos = bos !== undefined && readFlag(metadata, "add_bos_token", addsBosByDefault);
  const addsEos = eos !== undefined && readFlag(metadata, "add_eos_token", false);
  const special = (token: string) => ({ SpecialToken: { id: token, type_id: 0 } });
  const sequence = (id: string) => [
    ...(addsBos ? [special(bos)] : []),
    { Sequence: { id, type_id: 0 } },
    ...(addsEos ? [special(eos)] : []),
  ];
  const used = [...(addsBos ? [bos] : []), ...(addsEos ? [eos] : [])];

  return {
    model: { ...model, vocabulary: ids, unkToken: model.fuseUnk ? unk : undefined },
    tokenizer: {
      added_tokens: added,
      normalizer,
      pre_tokenizer: preTokenizer,
      post_processor: {
        type: "TemplateProcessing",
        single: sequence("A"),
        pair: [...sequence("A"), ...sequence("B")],
        special_tokens: Object.fromEntries(
          used.map((token) => [token, { id: token, ids: [ids.get(token)], tokens: [token] }]),
        ),
      },
      decoder,
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

/**
 * Which added tokens take the white space behind them: GGUF does not say, and llama.cpp goes by the model's name.
 *
 * @param name `general.name` of the file
 */
export function takesSpacesBehind(name: unknown): (token: string) => boolean {
  const isPhi3 = typeof name === "string" && /phi-?3/i.test(name);
  return (token) => isPhi3 && !["<unk>", "<s>", "<|endoftext|>"].includes(token);
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
