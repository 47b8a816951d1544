/** @file `slimtune export`: a tuned model, or its adapter, in the formats of other programs. */

import { statSync } from "node:fs";
import { basename } from "node:path";
import { type Command, Option } from "commander";
import { ggufFileTypes } from "../core/models/gguf-tensor-types.ts";
import { type ExportOptions, exportFormats, exportModel } from "../node/export/export-model.ts";
import { describeCheck } from "../node/export/logit-check.ts";
import { modelfilePath } from "../node/export/modelfile.ts";
import { formatBytes, print } from "./output.ts";

interface ExportFlags extends ExportOptions {
  readonly out: string;
  readonly json?: boolean;
}

export function addExportCommand(program: Command): void {
  program
    .command("export")
    .description("Write a tuned model, or its adapter alone, for other programs, checked by its predictions.")
    .argument("<source>", "folder of a run, or of an adapter in PEFT's layout")
    .addOption(
      new Option(
        "--format <name>",
        "the merged model as a Hugging Face folder or GGUF file, the adapter as GGUF, or as an adapter with another gate",
      )
        .choices(exportFormats)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--type <name>",
        "how a GGUF model's matrices are stored, largest first (default: f16)",
      ).choices(ggufFileTypes),
    )
    .addOption(
      new Option(
        "--gate <kind>",
        "of adaption prompts as --format adapter: one for a layer, as PEFT has it, or one for each head",
      ).choices(["scalar", "head"]),
    )
    .option("--model <path or id>", "the base model (default: the run's)")
    .requiredOption("--out <path>", "folder or .gguf file to be written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune export runs/math --format gguf --type q4_k_m --out math.gguf\n  slimtune export runs/math --format gguf-lora --out math-lora.gguf\n  slimtune export runs/dca --format adapter --gate scalar --out dca-peft",
    )
    .action(async (source: string, { out, json, ...options }: ExportFlags) => {
      const check = await exportModel(source, out, options);
      const size = statSync(out).isFile() ? ` (${formatBytes(statSync(out).size)})` : "";
      const next =
        options.format === "safetensors" || options.format === "adapter"
          ? ""
          : `For Ollama: ollama create ${basename(out, ".gguf")} -f ${modelfilePath(out)}\n`;
      print(
        json
          ? `${JSON.stringify({ out, ...check })}\n`
          : `Wrote ${out}${size}; it is ${describeCheck(check)}.\n${next}`,
      );
    });
}
