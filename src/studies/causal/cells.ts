/** @file The cells of a causal study: the methods beside DCA, and DCA with each weight on each number of prompts. */

import type { Adaptation } from "../../core/adapters/adaptation.ts";
import { adaptionPrompt, adaptionPromptSchema } from "../../core/adapters/adaption-prompt.ts";
import { lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import { listParameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { listLinearModules } from "../../core/architectures/modules.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import { type Cell, listCells } from "../grid/cells.ts";
import type { StudyFolder } from "../study-folder.ts";
import { type CausalConfig, gridsOf } from "./options.ts";

/** @throws InputError if a set or the model cannot be read. */
export async function listCausalCells(config: CausalConfig, folder: StudyFolder): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const grid of gridsOf(await withEqualRank(config))) cells.push(...(await listCells(grid, folder)));
  const order = Object.keys(config.data);
  return cells.sort((a, b) => order.indexOf(a.data.name) - order.indexOf(b.data.name));
}

/** The settings of a cell's adaption prompts; undefined if it has none. */
export function promptSettings({ method, run }: Pick<Cell, "method" | "run">) {
  if (method !== "dca" && method !== "adaption-prompt") return undefined;
  const { adaption_prompt } = parseRunConfig(run, "The study") as {
    readonly adaption_prompt?: unknown;
  };
  return adaptionPromptSchema.parse(adaption_prompt);
}

/** Gives LoRA the rank on queries and values with which it has about as many parameters as the prompts, unless it has options of its own. */
async function withEqualRank(config: CausalConfig): Promise<CausalConfig> {
  const { run, method_options } = config;
  const isSet = [run, method_options.lora].some((options) => options && Object.hasOwn(options, "lora"));
  if (isSet || !config.baselines.includes("lora")) return config;
  const checkpoint = await openCheckpoint(await resolveModel(config.model));
  checkpoint.close();
  const model = checkpoint.config;
  const prompts = adaptionPromptSchema.parse(
    run.adaption_prompt ?? method_options.dca?.adaption_prompt ?? {},
  );
  const hasBoth = ["q_proj", "v_proj"].every((name) =>
    listLinearModules(model).some((module) => module.name.endsWith(`.${name}`)),
  );
  const target_modules = hasBoth ? ["q_proj", "v_proj"] : "all-linear";
  const ofRank = (r: number) => loraConfigSchema.parse({ r, lora_alpha: 2 * r, target_modules });
  const wanted = countTrained(model, adaptionPrompt(prompts, model));
  const r = Math.max(1, Math.round(wanted / countTrained(model, lora(ofRank(1), model))));
  const settings = { r, lora_alpha: 2 * r, target_modules };
  return {
    ...config,
    method_options: { ...method_options, lora: { ...method_options.lora, lora: settings } },
  };
}

function countTrained(model: ModelConfig, adaptation: Adaptation): number {
  return listParameters(model, adaptation).reduce(
    (sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1),
    0,
  );
}
