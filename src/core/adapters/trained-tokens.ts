/**
 * @file PEFT's trainable tokens: single rows of the embedding, and of the output layer, that are trained in place of the whole; by
 * themselves (TrainableTokensConfig) or beside LoRA (`trainable_token_indices`).
 */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { embeddingName, headName } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import { type Adaptation, embeddingModule, outputModule, type TrainedRows } from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import { commonKeys, parsePeftFields, peftPrefix } from "./peft-config.ts";

const indices = z.array(z.int().min(0));

/** Token ids whose rows are trained: one list, which a tied output layer shares, or one for each of the two tables. */
export const tokenIndices = z.union([
  indices,
  z.strictObject({ embed_tokens: indices.default([]), lm_head: indices.default([]) }),
]);
type TokenIndices = z.infer<typeof tokenIndices>;

/** The lists of both tables. */
function listsOf(tokens: TokenIndices): { embed_tokens: readonly number[]; lm_head: readonly number[] } {
  return Array.isArray(tokens) ? { embed_tokens: tokens, lm_head: [] } : tokens;
}

/** Entries that a vocabulary with these tokens has at least. */
export function leastVocabulary(tokens: TokenIndices): number {
  const { embed_tokens, lm_head } = listsOf(tokens);
  return [...embed_tokens, ...lm_head].reduce((most, index) => Math.max(most, index + 1), 0);
}

/** These tokens with others, whose rows are trained in both tables. */
export function joinTokens(
  tokens: TokenIndices,
  ids: readonly number[],
  { tieWordEmbeddings }: ModelConfig,
): TokenIndices {
  const { embed_tokens, lm_head } = listsOf(tokens);
  const join = (list: readonly number[]) => [...new Set([...list, ...ids])];
  return tieWordEmbeddings
    ? join(embed_tokens)
    : { embed_tokens: join(embed_tokens), lm_head: join(lm_head) };
}

/**
 * An adaptation that trains the rows of these tokens too.
 *
 * @param tensorName of the trained rows within their module
 * @throws InputError if a token is not in the vocabulary or named twice, or its table is trained otherwise.
 */
export function withTrainedTokens(
  adaptation: Adaptation,
  tokens: TokenIndices,
  model: ModelConfig,
  tensorName = "token_adapter.trainable_tokens_delta",
): Adaptation {
  const { embed_tokens, lm_head } = listsOf(tokens);
  if (embed_tokens.length === 0 && lm_head.length === 0) return adaptation;
  if (model.tieWordEmbeddings && lm_head.length > 0 && lm_head.join() !== embed_tokens.join()) {
    throw new InputError(
      "The tokens of embed_tokens and lm_head differ, but the two are one in this model; give one list.",
    );
  }
  const rows = new Map<string, TrainedRows>();
  if (embed_tokens.length > 0)
    rows.set(embeddingName, { name: `${embeddingModule}.${tensorName}`, indices: embed_tokens });
  if (lm_head.length > 0 && !model.tieWordEmbeddings)
    rows.set(headName, { name: `${outputModule}.${tensorName}`, indices: lm_head });
  for (const [table, { indices }] of rows) {
    const beyond = indices.find((index) => index >= model.vocabSize);
    if (beyond !== undefined)
      throw new InputError(
        `Token ${beyond} shall be trained, but the model's vocabulary has ${model.vocabSize}.`,
      );
    const twice = indices.find((index, i) => indices.indexOf(index) !== i);
    if (twice !== undefined) throw new InputError(`Token ${twice} is named twice among those to be trained.`);
    const isAdapted =
      table === embeddingName
        ? adaptation.embedding !== undefined
        : adaptation.adapterOf(outputModule, model.vocabSize, model.hiddenSize) !== undefined;
    if (isAdapted || adaptation.trains(table)) {
      throw new InputError(
        `Single tokens cannot be trained beside ${table.replace(/\.weight$/, "")} as a whole; leave it out of target_modules and modules_to_save.`,
      );
    }
  }
  return { ...adaptation, rowsOf: (name) => rows.get(name) };
}

const rowsName = "trainable_tokens_delta";
const targetNames = ["embed_tokens", "lm_head"] as const;

/** Settings of a run that trains tokens alone, named and meant as in PEFT's TrainableTokensConfig. */
const trainableTokensSchema = z.strictObject({
  token_indices: indices.default([]),
  /** Which tables' rows are trained. A tied output layer is the embedding. */
  target_modules: z.array(z.enum(targetNames)).min(1).default(["embed_tokens"]),
});

type TrainableTokensConfig = z.infer<typeof trainableTokensSchema>;

/** @throws InputError as {@link withTrainedTokens} */
function trainableTokens(
  { token_indices, target_modules }: TrainableTokensConfig,
  model: ModelConfig,
): Adaptation {
  const of = (name: (typeof targetNames)[number]) =>
    target_modules.includes(name) || model.tieWordEmbeddings ? token_indices : [];
  const none: Adaptation = { adapterOf: () => undefined, trains: () => false };
  const tokens = { embed_tokens: of("embed_tokens"), lm_head: of("lm_head") };
  return withTrainedTokens(none, tokens, model, rowsName);
}

const configSchema = z.looseObject({
  token_indices: indices,
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
});

/** As PEFT's TrainableTokensConfig and files have it. */
const trainableTokensFormat: PeftFormat<TrainableTokensConfig> = {
  type: "TRAINABLE_TOKENS",
  section: "trainable_tokens",
  schema: trainableTokensSchema,
  changeable: [],
  keys: { ...commonKeys, ...withRole("used", "target_modules", "token_indices"), init_weights: "harmless" },
  readSettings(json, origin) {
    const { token_indices, target_modules } = parsePeftFields(configSchema, json, origin);
    const targets = [target_modules ?? embeddingModule].flat().map((name) => {
      const target = targetNames.find((known) => name === known || name.endsWith(`.${known}`));
      if (target) return target;
      throw new InputError(
        `${origin} trains tokens of "${name}", which is not supported (only ${targetNames.join(" and ")} are); choose another adapter.`,
      );
    });
    return { token_indices, target_modules: [...new Set(targets)] };
  },
  writeSettings: ({ token_indices, target_modules }, { tieWordEmbeddings }) => ({
    token_indices,
    target_modules:
      tieWordEmbeddings || target_modules.join() === "embed_tokens" ? embeddingModule : target_modules,
  }),
  leastVocabulary: ({ token_indices }) => leastVocabulary(token_indices),
  // Where the two are tied, PEFT writes it for the output layer too.
  fileNames: (_settings, { tieWordEmbeddings }) => {
    const ofBoth = [embeddingModule, outputModule].map((module) => `${module}.${rowsName}`);
    return (name) => (tieWordEmbeddings ? ofBoth : [name]).map((each) => peftPrefix + each);
  },
  adapt: trainableTokens,
};

const options = { trainable_tokens: trainableTokensSchema.optional() };

export const trainableTokensMethod: Method<
  typeof options,
  { readonly trainable_tokens: TrainableTokensConfig }
> = {
  // Our choice.
  learning_rate: 1e-3,
  storage: "float32",
  yields: "adapter",
  options,
  complete: (given) => ({ trainable_tokens: trainableTokensSchema.parse(given.trainable_tokens ?? {}) }),
  describe: ({ trainable_tokens: { token_indices } }) => `${token_indices.length} tokens`,
  withTokens: ({ trainable_tokens: settings }, ids, { tieWordEmbeddings }) => ({
    trainable_tokens: {
      token_indices: [...new Set([...settings.token_indices, ...ids])],
      target_modules: tieWordEmbeddings ? ["embed_tokens"] : [...targetNames],
    },
  }),
  adapt(given, model) {
    const { token_indices } = given.trainable_tokens;
    if (token_indices.length > 0) return trainableTokens(given.trainable_tokens, model);
    throw new InputError(
      `Method "trainable_tokens" has no tokens to train; name some by train_tokens (--train-tokens).`,
    );
  },
  peft: trainableTokensFormat,
};
