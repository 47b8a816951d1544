/** @file The interface that every tokenizer of a model file is read into. */

/** Text to token ids and back, with the special tokens of one model. */
export interface Tokenizer {
  /** Number of token ids, special tokens included. */
  readonly vocabularySize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  /** Whether `encode` with special tokens puts the beginning-of-sequence token in front. */
  readonly addsBosToken: boolean;
  /** The model's Jinja chat template, where it has one. */
  readonly chatTemplate: string | undefined;
  /** The one for conversations with tools, where the model has one of its own for them. */
  readonly toolUseTemplate?: string | undefined;
  /** The day that templates print as today's, such as "2025-01-31"; without it, the day when they are rendered. */
  readonly chatDate?: string;
  /** Token ids of `text`; special tokens that stand in the text are recognized. `addSpecialTokens` (default false) adds BOS/EOS as the model's post-processor does. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** Text of `ids`; `skipSpecialTokens` (default false) leaves special tokens out. */
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
  /** The vocabulary's own string of a token id, or undefined. */
  tokenOf(id: number): string | undefined;
  /** The id of a vocabulary string, or undefined. */
  idOf(token: string): number | undefined;
  /** Whether the id is a special token. */
  isSpecial(id: number): boolean;
}
