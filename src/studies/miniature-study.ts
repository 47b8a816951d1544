/** @file The slimming study in miniature, of files that come with this package. */

import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { StudyOptions } from "./study-config.ts";

const domains = ["math", "commonsense", "computing"];

/**
 * The options of a study of the embedded model that takes about two minutes: LoRA and QLoRA on word problems, on common sense
 * and on computing.
 *
 * @example
 * const { results, report } = await runStudy(miniatureStudy(), "runs/quickstart");
 */
export function miniatureStudy(): StudyOptions<"slimming"> {
  const root = relative(process.cwd(), fileURLToPath(new URL("../../", import.meta.url)));
  return {
    kind: "slimming",
    model: join(root, "fixtures/embedded-model"),
    data: Object.fromEntries(
      domains.map((domain) => [domain, join(root, `fixtures/miniature/${domain}-train.jsonl`)]),
    ),
    aligned: Object.fromEntries(domains.map((domain) => [domain, [`miniature_${domain}`]])),
    methods: ["lora", "qlora"],
    tasks: domains.map((domain) => `miniature_${domain}`),
    metrics: { miniature_commonsense: "acc", miniature_computing: "acc" },
    task_files: [join(root, "fixtures/miniature/benchmarks")],
    apply_chat_template: true,
    run: {
      lora: { r: 16, lora_alpha: 32 },
      learning_rate: 1e-2,
      lr_scheduler_type: "transformers_linear",
      warmup_ratio: 0.05,
      batch_size: 16,
      num_train_epochs: 4,
      validation: 0,
      save_steps: 1000,
    },
  };
}
