/** @file Puts an adapter on disk on a model. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import { adjustChat, type Model } from "../../core/models/model.ts";
import { extendVocabulary } from "../models/extend-vocabulary.ts";
import { readAdapter } from "./peft-files.ts";

/**
 * Puts the adapter in `folder` (PEFT's layout) on a model, with the chat template that it was trained with, if that is
 * one of its own. The base weights are shared, so several adapted models can be held at little cost.
 *
 * @throws InputError if it is no adapter, needs what is not supported, or belongs to another base model.
 * @example
 * const base = await openModel("fixtures/embedded-model");
 * const model = await loadAdapter(base, "runs/faq/adapter");
 */
export async function loadAdapter(model: Model, folder: string): Promise<AdaptedModel> {
  const { chatTemplate, extension, ...adapter } = await readAdapter(folder, model.config, model.fingerprint);
  const extended = extension ? await extendVocabulary(model, extension) : model;
  return { ...adjustChat(extended, { chatTemplate }), adapter };
}
