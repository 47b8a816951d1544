/** @file `slimtune merge`: base model and adapter as one plain model. */

import type { Command } from "commander";
import { mergeRun } from "../node/export/export-model.ts";
import { describeCheck } from "../node/export/logit-check.ts";
import { print } from "./output.ts";

export function addMergeCommand(program: Command): void {
  program
    .command("merge")
    .description("Write a run's base model and adapter as one plain model, checked by its predictions.")
    .argument("<run>", "folder of the run")
    .requiredOption("--out <folder>", "folder for the merged model (Hugging Face's layout, float32)")
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune merge runs/math --out merged/")
    .action(async (run: string, { out, json }) => {
      const check = await mergeRun(run, out);
      print(
        json ? `${JSON.stringify({ out, ...check })}\n` : `Wrote ${out}; it is ${describeCheck(check)}.\n`,
      );
    });
}
