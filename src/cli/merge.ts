/** @file `slimtune merge`: base model and adapter as one plain model. */

import type { Command } from "commander";
import { loadAdapter } from "../core/adapters/adapted-model.ts";
import { methodOf } from "../core/adapters/methods.ts";
import { InputError } from "../core/errors.ts";
import { describeCheck } from "../node/export/logit-check.ts";
import { mergeAdapter } from "../node/export/merge.ts";
import { hubIdOf } from "../node/models/hub-model.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { describeResult } from "../node/training/model-card.ts";
import { readFirstExamples } from "../node/training/run-data.ts";
import { openRunFolder } from "../node/training/run-folder.ts";
import { print } from "./output.ts";

export function addMergeCommand(program: Command): void {
  program
    .command("merge")
    .description("Write a run's base model and adapter as one plain model, checked by its predictions.")
    .argument("<run>", "folder of the run")
    .requiredOption("--out <folder>", "folder for the merged model (Hugging Face's layout, float32)")
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune merge runs/math --out merged/")
    .action(async (run: string, options) => {
      const { folder, config } = openRunFolder(run);
      if (methodOf(config.method).yields === "model") {
        throw new InputError(
          `${run} is a run of method "${config.method}", whose result is a plain model already: ${folder.model}.`,
        );
      }
      const base = await openModel(config.model, {
        revision: config.revision,
        storage: config.storage,
        doubleQuantization: config.double_quantization,
      });
      const examples = await readFirstExamples(config, base);
      const result = await mergeAdapter(
        openDevice(config.device),
        loadAdapter(base, folder.adapter),
        options.out,
        {
          card: describeResult("model", folder, config, config.base_model_name ?? hubIdOf(config.model)),
          ...(examples && { examples }),
        },
      );
      print(
        options.json
          ? `${JSON.stringify({ out: options.out, ...result })}\n`
          : `Wrote ${options.out}; it is ${describeCheck(result)}.\n`,
      );
    });
}
