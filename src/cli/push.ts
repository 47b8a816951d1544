/** @file `slimtune push`: hands a result on through the Hugging Face Hub. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { InputError } from "../core/errors.ts";
import { checkRepositoryName, listPushedFiles, push } from "../node/export/push.ts";
import { findResult, openRunFolder } from "../node/training/run-folder.ts";
import { createStatusLine, formatBytes, print } from "./output.ts";

interface PushFlags {
  readonly to: string;
  readonly public?: boolean;
  readonly baseModelName?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addPushCommand(program: Command): void {
  program
    .command("push")
    .description("Send a run's result, an adapter, a model or a GGUF file to the Hugging Face Hub.")
    .argument("<source>", "folder of a run, an adapter or a model, or a GGUF file or a folder with some")
    .requiredOption("--to <user/name>", "repository, which is made if it does not exist")
    .option("--public", "let everyone read it (default: private)")
    .option("--base-model-name <id>", "the base model's id, where the adapter names a path of this machine")
    .option("--dry-run", "say what would be sent, and send nothing")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nThe token is HF_TOKEN, or in the file where the Hub's own programs keep it.\n\nExample:\n  slimtune push runs/math --to anna/smollm2-math --dry-run",
    )
    .action(async (given: string, { to, dryRun = false, json = false, ...options }: PushFlags) => {
      checkRepositoryName(to);
      const source = existsSync(join(given, "config.yaml")) ? resultOf(given) : given;
      const files = listPushedFiles(source, options.baseModelName);
      const list = files.map(({ path, bytes }) => ({ path, bytes }));
      const status = createStatusLine();
      const url = dryRun
        ? undefined
        : await push(source, to, {
            ...options,
            onProgress: (file, share) => status.update(`sending ${file}: ${Math.round(100 * share)} %`),
          }).finally(() => status.done());
      if (json) {
        print(`${JSON.stringify({ to, public: options.public ?? false, files: list, url: url ?? null })}\n`);
        return;
      }
      const lines = list.map(({ path, bytes }) => `  ${path} (${formatBytes(bytes)})\n`).join("");
      const readers = options.public ? "everyone" : "nobody else";
      print(
        url === undefined
          ? `Nothing was sent. To ${to}, which ${readers} could read, would go:\n${lines}`
          : `Sent to ${url}:\n${lines}`,
      );
      if (!list.some(({ path }) => path === "README.md"))
        print(
          "There is no model card (README.md) beside it: say there what it is and under which licence.\n",
        );
    });
}

/** The folder that a run's result is in. */
function resultOf(run: string): string {
  const { folder, config } = openRunFolder(run);
  const result = findResult(folder, config);
  if (result !== undefined) return result;
  throw new InputError(`The run in ${run} is not finished; go on with it by \`slimtune resume ${run}\`.`);
}
