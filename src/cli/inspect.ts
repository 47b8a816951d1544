/** @file `slimtune inspect`: which tokens of each example are trained on. */

import { stdout } from "node:process";
import { type Command, Option } from "commander";
import type { ExampleKind, TrainingExample } from "../core/data/training-example.ts";
import { objectiveNames, objectiveOf } from "../core/objectives/objectives.ts";
import { wantsColour } from "../node/colours.ts";
import { describeExample, inspectData, renderExample, renderReport } from "../node/data/inspect.ts";
import { parseFields, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { print } from "./output.ts";

export function addInspectCommand(program: Command): void {
  const command = program
    .command("inspect")
    .description(
      "Show which tokens of each example are trained on (green, or between ⟦ and ⟧), and what is cut; of pairs both answers.",
    )
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id of the model, for its tokenizer and template",
    )
    .requiredOption("--data <path or id>", "file of examples or Hub id of a dataset")
    .option("--data-split <name>", "split of a Hub dataset", "train")
    .option(
      "--fields <mapping>",
      "fields of a row, such as prompt=question,completion=answer",
      parseFields,
      {},
    )
    .option("--context <tokens>", "longest example", parseWhole(8), 2048)
    .addOption(
      new Option("--overlong <what>", "what happens to longer ones")
        .choices(["error", "drop", "truncate"])
        .default("error"),
    )
    .addOption(
      new Option("--objective <name>", "what a run would minimize, which decides on the kind of data")
        .choices(objectiveNames)
        .default("sft"),
    )
    .addOption(
      new Option("--train-on <what>", "tokens in the loss")
        .choices(["completion", "all"])
        .default("completion"),
    )
    .option(
      "--show <n>",
      "read and show only the first n examples (default: show 3, and report on all; 0: report only)",
      parseWhole(0),
    )
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExamples:\n  slimtune inspect --model model.gguf --data gsm8k/train.jsonl --show 1\n  slimtune inspect --model model.gguf --data pairs.jsonl --objective dpo --show 1",
    )
    .action(async ({ show, json, objective, verbose: _, ...options }) => {
      const { examples, report, tokenizer } = await inspectData({
        ...options,
        learnsFrom: objectiveOf(objective).learnsFrom,
        limit: show || Number.POSITIVE_INFINITY,
      });
      const shown = examples.slice(0, show ?? 3);
      if (json) {
        print(
          `${JSON.stringify({ report, examples: shown.map((example) => toJson(example, report.learnsFrom)) })}\n`,
        );
        return;
      }
      for (const [index, example] of shown.entries()) {
        print(`── example ${index + 1}, ${describeExample(example)}\n`);
        const colour = wantsColour(stdout);
        print(`${renderExample(example, tokenizer, { colour })}\n\n`, { coloured: colour });
      }
      print(`${renderReport(report)}\n`);
    });
  addChatOptions(command);
}

/** The one text of an example, or two texts by their names, with what is known of it. */
function toJson({ texts, ...about }: TrainingExample, learnsFrom: ExampleKind): object {
  const [first, second] = texts.map(({ ids, trained }) => ({ ids: [...ids], trained: [...trained] }));
  if (!second) return { ...first, ...about };
  return learnsFrom === "wordings"
    ? { worded: first, reworded: second, ...about }
    : { chosen: first, rejected: second, ...about };
}
