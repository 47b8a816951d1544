/** @file A base model with an adapter on it. */

import { readAdapter } from "../../node/adapters/peft-files.ts";
import { extendVocabulary } from "../../node/models/extend-vocabulary.ts";
import { adjustChat, type Model } from "../../node/models/open-model.ts";
import { type Adaptation, frozen } from "./adaptation.ts";
import type { Parameters } from "./parameters.ts";

/** What a tuning method computes with: its rules and its trained tensors. */
export interface Adapter {
  readonly adaptation: Adaptation;
  readonly parameters: Parameters;
}

/** A model, with an adapter or without. */
export interface AdaptedModel extends Model {
  readonly adapter?: Adapter;
}

/** The adapter of a model that has none. */
export const noAdapter: Adapter = { adaptation: frozen, parameters: new Map() };

/**
 * Puts the adapter in `folder` (PEFT's layout) on a model, with the chat template that it was trained with, if that is
 * one of its own. The base weights are shared, so several adapted models can be held at little cost.
 *
 * @throws InputError if it is no adapter, needs what is not supported, or belongs to another base model.
 * @example
 * const base = await openModel("fixtures/embedded-model");
 * const model = loadAdapter(base, "runs/faq/adapter");
 */
export function loadAdapter(model: Model, folder: string): AdaptedModel {
  const { chatTemplate, extension, ...adapter } = readAdapter(folder, model.config, model.fingerprint);
  const extended = extension ? extendVocabulary(model, extension) : model;
  return { ...adjustChat(extended, { chatTemplate }), adapter };
}
