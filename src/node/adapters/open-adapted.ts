/** @file Opens a model together with an adapter for it. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import { adjustChat } from "../../core/models/model.ts";
import type { ChatSettings } from "../../core/tokenization/chat-template.ts";
import type { HubOptions } from "../hub/hub.ts";
import { type OpenOptions, openModel } from "../models/open-model.ts";
import { loadAdapter } from "./load-adapter.ts";

export interface OpenAdaptedOptions extends OpenOptions, HubOptions, ChatSettings {
  /** Folder of an adapter in PEFT's layout. Default: the model as it is. */
  readonly adapter?: string | undefined;
}

/**
 * Opens a model, with an adapter on it if one is named, and with another chat template or day if they are given.
 *
 * @throws InputError as `openModel` and `loadAdapter` do.
 * @example
 * const model = await openAdaptedModel("fixtures/embedded-model", { adapter: "runs/faq/adapter", storage: "nf4" });
 */
export async function openAdaptedModel(
  nameOrPath: string,
  { adapter, chatTemplate, date, ...options }: OpenAdaptedOptions = {},
): Promise<AdaptedModel> {
  const base = await openModel(nameOrPath, options);
  const adapted = adapter === undefined ? base : await loadAdapter(base, adapter);
  return adjustChat(adapted, { chatTemplate, date });
}
