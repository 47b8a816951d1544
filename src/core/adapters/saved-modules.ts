/** @file PEFT's `modules_to_save`: the embedding and the output layer, trained as a whole beside an adapter. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { embeddingName, headName } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { quote } from "../formats/weight-file.ts";
import { type Adaptation, outputModule } from "./adaptation.ts";

const moduleNames = ["embed_tokens", "lm_head"] as const;
type SavedModule = (typeof moduleNames)[number];

export const savedModules = z.array(z.enum(moduleNames)).default([]);

/**
 * An adaptation that trains these modules too. Where embedding and output layer are tied, either means both.
 *
 * @param canTie whether PEFT's configuration of the method can say that they are tied
 * @throws InputError if it adapts one of them already, or cannot tie them.
 */
export function withSavedModules(
  adaptation: Adaptation,
  modules: readonly SavedModule[],
  { tieWordEmbeddings, vocabSize, hiddenSize }: ModelConfig,
  canTie = false,
): Adaptation {
  if (modules.length === 0) return adaptation;
  if (tieWordEmbeddings && !canTie)
    throw new InputError(
      `"modules_to_save" would part ${modules[0]} from what this model ties to it, since PEFT keeps them tied beside LoRA only; leave it out.`,
    );
  const isAdapted = {
    embed_tokens: adaptation.embedding !== undefined,
    lm_head: adaptation.adapterOf(outputModule, vocabSize, hiddenSize) !== undefined,
  };
  const both = modules.find((module) => isAdapted[module]);
  if (both)
    throw new InputError(
      `"${both}" is in target_modules and in modules_to_save; leave it out of one of them.`,
    );
  const tensors = { embed_tokens: embeddingName, lm_head: tieWordEmbeddings ? embeddingName : headName };
  const trained = new Set(modules.map((module) => tensors[module]));
  return { ...adaptation, trains: (name) => trained.has(name) || adaptation.trains(name) };
}

/**
 * The modules that PEFT's file names.
 *
 * @param origin of the file, for messages
 * @throws InputError for others.
 */
export function readSavedModules(names: readonly string[] | null | undefined, origin: string): SavedModule[] {
  const modules = (names ?? []).map((name) => {
    const module = moduleNames.find((known) => name === known || name === `model.${known}`);
    if (module) return module;
    throw new InputError(
      `${origin} asks for ${quote(name)} in "modules_to_save", which is not supported (only ${moduleNames.join(" and ")} are); choose an adapter without.`,
    );
  });
  return [...new Set(modules)];
}
