/** @file A process reward model as what scores the steps of a search. */

import { createHash } from "node:crypto";
import type { AdaptedModel } from "../core/adapters/adapted-model.ts";
import { encodeStep } from "../core/data/tokenize-steps.ts";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import { adjustChat } from "../core/models/model.ts";
import type { ChatSettings } from "../core/tokenization/chat-template.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import { hashFiles } from "../node/models/hash-files.ts";
import { openModel } from "../node/models/open-model.ts";
import { findAdapter } from "../node/training/initial-adapter.ts";
import type { OpenScorer, SolutionScorer } from "../reasoning/scorer.ts";
import { encodeQuestion } from "./encode-question.ts";
import { createStepScorer, type StepScorerOptions } from "./step-scorer.ts";
import { withStepFormat } from "./with-step-format.ts";

export interface ProcessRewardOptions extends StepScorerOptions, ChatSettings {
  /** Folder, .gguf file or Hub id of its base model. Default: the model that writes, whose weights are then shared. */
  readonly model?: string;
  /** How the weights of that base model are kept. Default "float32". */
  readonly storage?: Storage;
}

/**
 * A process reward model for a run of reasoning. It reads steps as it was tuned on them, unless the options say otherwise. What it costs
 * is counted as if of each request only the question and the path were known: it does not depend on what is kept of other requests.
 *
 * @param prm folder of the adapter that `slimtune prm tune` has made, or of its run
 * @returns what opens it, on the base weights of the run's model. @throws InputError if it is an adapter of another base model, or the
 *   run's model is a server's and no base model is named.
 *
 * @example
 * const { processRewardModel, runReasoning } = await import("slimtune");
 * await runReasoning({
 *   model: "HuggingFaceTB/SmolLM2-135M-Instruct",
 *   tasks: ["gsm8k"],
 *   strategies: ["sc:16@4000", "mstar-levin:4@4000"],
 *   scorer: processRewardModel("runs/prm"),
 *   cost: "computed",
 *   out: "runs/search",
 * });
 */
export function processRewardModel(prm: string, options: ProcessRewardOptions = {}): OpenScorer {
  const { model: named, storage = "float32", chatTemplate, date = isoDay(new Date()) } = options;
  return async (written) => {
    const folder = findAdapter(prm);
    const base = named === undefined ? written : await openModel(named, { storage });
    if (!base) {
      throw new InputError(
        `The process reward model ${prm} is an adapter, and the weights of a server's model are not here to adapt; name its base model (--prm-model).`,
      );
    }
    const model = adjustChat(await loadAdapter(base, folder), { chatTemplate, date });
    const asked = withStepFormat(folder, options);
    const identity = [
      await Promise.all([base.path, folder].map(hashFiles)),
      [base.weights.storage, asked.separator, encodeQuestion("?", model.tokenizer, asked.chat)],
    ];
    return asSolutionScorer(model, {
      ...asked,
      name: `the process reward model ${prm}`,
      identity: createHash("sha256").update(JSON.stringify(identity)).digest("hex"),
    });
  };
}

type AsScorer = ReturnType<typeof withStepFormat> & Pick<SolutionScorer, "identity" | "name">;

function asSolutionScorer(model: AdaptedModel, { identity, name, ...options }: AsScorer): SolutionScorer {
  const { tokenizer } = model;
  const { separator, chat } = options;
  const scorer = createStepScorer(model, options);
  const countTokens = (steps: readonly string[]) =>
    [...new Set(steps)].reduce((sum, step) => sum + encodeStep(step, tokenizer, separator).length, 0);
  const endTokens = encodeStep("0", tokenizer, separator).length - 1;
  const mostOfToken = mostTokensOfOne(tokenizer, endTokens);
  return {
    identity,
    name,
    countQuestion: (question) => encodeQuestion(question, tokenizer, chat).length,
    mostTokens: (written) => written * mostOfToken + endTokens,
    async score(question, path, steps) {
      const { rewards } = await scorer.score(question, path, steps);
      return { rewards: [...rewards], tokens: countTokens(steps) };
    },
    async judge(question, steps) {
      const { rewards } = await scorer.judge(question, steps);
      return { rewards: [...rewards], tokens: steps.reduce((sum, step) => sum + countTokens([step]), 0) };
    },
    release: scorer.release,
  };
}

/**
 * The most tokens that one token of a text in lines becomes where lines are tokenized apart, each with an end of so many tokens: more than
 * one where a token holds the end of a line and what stands before it, such as ".\n".
 */
function mostTokensOfOne(tokenizer: Tokenizer, endTokens: number): number {
  let most = 1;
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    const lines = tokenizer.decode([id]).split("\n");
    const texts = lines.filter((line) => line.trim() !== "").length;
    const ends = Math.min(lines.length - 1, Math.max(1, texts));
    most = Math.max(most, texts + ends * endTokens);
  }
  return most;
}
