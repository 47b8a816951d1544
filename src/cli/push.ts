/** @file `slimtune push`: hands a result on through the Hugging Face Hub. */

import type { Command } from "commander";
import { type PushOptions, pushResult } from "../node/export/push.ts";
import { createStatusLine, formatBytes, print } from "./output.ts";

interface PushFlags extends PushOptions {
  readonly to: string;
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
    .action(async (source: string, { to, json = false, ...options }: PushFlags) => {
      const status = createStatusLine();
      const onProgress = (file: string, share: number) =>
        status.update(`sending ${file}: ${Math.round(100 * share)} %`);
      const { files, url } = await pushResult(source, to, { ...options, onProgress }).finally(status.done);
      const list = files.map(({ path, bytes }) => ({ path, bytes }));
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
