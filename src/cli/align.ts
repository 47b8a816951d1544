/** @file `slimtune align`: how well sets of tuning data fit benchmarks, before anything is tuned. */

import { existsSync } from "node:fs";
import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import type { AlignmentData, AlignmentResult } from "../alignment/align.ts";
import { runAlignment } from "../alignment/run-alignment.ts";
import { storages } from "../core/models/linear.ts";
import { parseFields, parseList, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { createStatusLine, formatDuration, print } from "./output.ts";

export function addAlignCommand(program: Command): void {
  const command = program
    .command("align")
    .description(
      "Measure how well tuning data fit tasks, from the base model alone, and whether the tasks' items stand in the data.",
    )
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the base model")
    .requiredOption(
      "--data <[name=]path or id>",
      "file of examples or Hub id of a dataset; may be given several times",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .requiredOption("--tasks <names>", "tasks and groups, such as hellaswag,gsm8k", parseList)
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub")
    .option("--data-split <name>", "split of Hub datasets to tune on", "train")
    .option("--fields <mapping>", "fields of a row, such as prompt=question,completion=answer", parseFields)
    .addOption(
      new Option("--train-on <what>", "tokens in the loss")
        .choices(["completion", "all"])
        .default("completion"),
    )
    .addOption(new Option("--storage <kind>", "how weights are kept").choices(storages).default("float32"))
    .option("--limit <n>", "look for the first n items of each task only", parseWhole(1))
    .option("--samples <n>", "examples of each set for the scores", parseWhole(2), 64)
    .option("--seed <n>", "seed of the samples", parseWhole(0), 0)
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Example:
  slimtune align --model model.gguf --data gsm8k/train.jsonl --data chat=chats.jsonl --tasks gsm8k,hellaswag`,
    );
  addChatOptions(command).action(
    async ({ data, taskFile: taskFiles, fields, trainOn, json, verbose: _, ...options }) => {
      const status = createStatusLine();
      const started = performance.now();
      try {
        const result = await runAlignment({
          ...options,
          taskFiles,
          data: (data as readonly string[]).map((text) => ({ ...nameData(text), fields, trainOn })),
          onStage: status.update,
        });
        status.done();
        const seconds = (performance.now() - started) / 1000;
        const { seed } = options;
        print(json ? `${JSON.stringify({ ...result, seed, seconds })}\n` : `${toText(result, seconds)}\n`);
      } finally {
        status.done();
      }
    },
  );
}

/** "name=path", or a path, which is named by its file. */
function nameData(text: string): Pick<AlignmentData, "name" | "path"> {
  const [, name, path] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && !existsSync(text)) return { name, path: path! };
  return { name: basename(text, extname(text)), path: text };
}

/** Contaminated items that are printed one by one. */
const shownOverlaps = 20;

const explanations = [
  "representation: how alike the model represents their texts, by topic and form; 1 is as alike as two samples of one set",
  "gradient: whether a step on the data lowers the loss of the task's answers; 1 is as much as a step on the task's own, below 0 it raises it",
  "lexical: whether they use the same words; 1 is as much as two samples of one set",
  "contaminated: items of the task of which 13 words in a row stand in the data; leave these rows out before tuning",
];

function toText({ alignments, data, benchmarks }: AlignmentResult, seconds: number): string {
  const rows = alignments.map((alignment) => [
    alignment.data,
    alignment.task,
    formatScore(alignment.representation),
    formatScore(alignment.gradient),
    formatScore(alignment.lexical),
    `${alignment.contaminated.length} of ${alignment.checkedItems}`,
  ]);
  const table = renderTable(["data", "task", "representation", "gradient", "lexical", "contaminated"], rows);
  const found = alignments.flatMap(({ data, overlaps }) =>
    overlaps.map(
      ({ task, docId, ngram, line }) => `${task}, item ${docId}, stands in ${data}, line ${line}: "${ngram}"`,
    ),
  );
  if (found.length > shownOverlaps) {
    const more = found.splice(shownOverlaps).length;
    found.push(`and ${more} more, which --json lists`);
  }
  const known = benchmarks.flatMap(({ knownByItems }) => knownByItems);
  return [
    table,
    "",
    ...explanations,
    ...(found.length > 0 ? ["", ...found] : []),
    "",
    `Samples: ${[...data, ...benchmarks].map(({ name, samples }) => `${samples} of ${name}`).join(", ")}.`,
    ...(known.length > 0
      ? [`Judged by the evaluated items themselves, since there are no other examples: ${known.join(", ")}.`]
      : []),
    `Measured in ${formatDuration(seconds)}.`,
  ].join("\n");
}

function formatScore(score: number | null): string {
  return score === null ? "–" : score.toFixed(2);
}

/** Columns from the third on are numbers and stand at the right. */
function renderTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [titles, ...rows]
    .map((row) =>
      row
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
