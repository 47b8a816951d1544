/** @file `slimtune export`: a tuned model, or its adapter, in the formats of other programs. */

import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, Option } from "commander";
import { loadAdapter } from "../core/adapters/adapted-model.ts";
import type { TokenizedExample } from "../core/data/batch.ts";
import { InputError } from "../core/errors.ts";
import { type GgufFileType, ggufFileTypes } from "../core/models/gguf-tensor-types.ts";
import type { Device } from "../core/runtime/device.ts";
import { exportGguf, exportGgufAdapter } from "../node/export/gguf.ts";
import { describeCheck, type LogitCheck } from "../node/export/logit-check.ts";
import { mergeAdapter } from "../node/export/merge.ts";
import { modelfilePath } from "../node/export/modelfile.ts";
import { type Model, openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { readFirstExamples } from "../node/training/run-data.ts";
import { openRunFolder } from "../node/training/run-folder.ts";
import { formatBytes, print } from "./output.ts";

const formats = ["safetensors", "gguf", "gguf-lora"] as const;

interface ExportOptions {
  readonly format: (typeof formats)[number];
  readonly type?: GgufFileType;
  readonly model?: string;
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
        "the merged model as a Hugging Face folder or GGUF file, or the adapter as GGUF",
      )
        .choices(formats)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--type <name>",
        "how a GGUF model's matrices are stored, largest first (default: f16)",
      ).choices(ggufFileTypes),
    )
    .option("--model <path or id>", "the base model (default: the run's)")
    .requiredOption("--out <path>", "folder or .gguf file to be written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune export runs/math --format gguf --type q4_k_m --out math.gguf\n  slimtune export runs/math --format gguf-lora --out math-lora.gguf",
    )
    .action(async (source: string, options: ExportOptions) => {
      if (options.type !== undefined && options.format !== "gguf") {
        throw new InputError(`--type is for --format gguf only; ${options.format} is written in float32.`);
      }
      const check = await exportAs(options, await openSource(source, options.model));
      print(
        options.json
          ? `${JSON.stringify({ out: options.out, ...check })}\n`
          : `Wrote ${options.out}${describeSize(options.out)}; it is ${describeCheck(check)}.\n${describeNext(options)}`,
      );
    });
}

interface Source {
  readonly device: Device;
  readonly model: Model;
  /** Undefined where the model itself was tuned. */
  readonly adapter: string | undefined;
  /** What the model was tuned on, where a run says it. */
  readonly examples: readonly TokenizedExample[] | undefined;
}

/** Opens a run's result, or an adapter, on the model that it was tuned on. */
async function openSource(source: string, model: string | undefined): Promise<Source> {
  if (!existsSync(join(source, "config.yaml"))) {
    if (model === undefined) {
      throw new InputError(`${source} is not the folder of a run; name an adapter's base model by --model.`);
    }
    return { device: openDevice("cpu"), model: await openModel(model), adapter: source, examples: undefined };
  }
  const { folder, config } = openRunFolder(source);
  const device = openDevice(config.device);
  if (existsSync(folder.model)) {
    const tuned = await openModel(folder.model);
    return { device, model: tuned, adapter: undefined, examples: await readFirstExamples(config, tuned) };
  }
  const base = await openModel(model ?? config.model, {
    revision: config.revision,
    storage: config.storage,
    doubleQuantization: config.double_quantization,
  });
  return { device, model: base, adapter: folder.adapter, examples: await readFirstExamples(config, base) };
}

async function exportAs(
  { format, type, out }: ExportOptions,
  { device, model, adapter, examples }: Source,
): Promise<LogitCheck> {
  if (adapter === undefined && format !== "gguf") {
    throw new InputError(
      `The run tuned the model itself, which ${model.path} already holds in Hugging Face's layout; only --format gguf remains.`,
    );
  }
  const probe = examples && { examples };
  if (format === "gguf-lora") return exportGgufAdapter(device, model, adapter!, out, probe);
  const adapted = adapter === undefined ? model : loadAdapter(model, adapter);
  return format === "gguf"
    ? exportGguf(device, adapted, out, { ...probe, ...(type !== undefined && { type }) })
    : mergeAdapter(device, adapted, out, probe);
}

function describeSize(path: string): string {
  const stats = statSync(path);
  return stats.isFile() ? ` (${formatBytes(stats.size)})` : "";
}

function describeNext({ format, out }: ExportOptions): string {
  return format === "safetensors"
    ? ""
    : `For Ollama: ollama create ${basename(out, ".gguf")} -f ${modelfilePath(out)}\n`;
}
