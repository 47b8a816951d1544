/** @file `slimtune compare`: two evaluations item by item, with what they show and what they could have shown. */

import { dirname } from "node:path";
import { stdout } from "node:process";
import { type Command, Option } from "commander";
import { compare } from "../evaluation/compare.ts";
import { toPlain, toText } from "../evaluation/comparison-report.ts";
import { createPaint, plain, wantsColour } from "../node/colours.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { parseList, parseWhole } from "./arguments.ts";
import { print } from "./output.ts";

export function addCompareCommand(program: Command): void {
  program
    .command("compare")
    .description(
      "Compare two evaluations of the same tasks: is one better, how surely, and what difference could have been seen?",
    )
    .argument("<before>", "output folder of an evaluation, by slimtune or lm-evaluation-harness")
    .argument("<after>", "output folder of the one that is judged")
    .option("--metrics <names>", "only these metrics or filters, such as acc_norm,strict-match", parseList)
    .option(
      "--flips <n>",
      "show up to n items each that became right and wrong, of each score",
      parseWhole(0),
      0,
    )
    .option(
      "--allow-different-prompts",
      "compare even if versions, prompts or data differ; items are then paired by their data",
    )
    .option("--seed <n>", "seed of the resampling", parseWhole(0), 0)
    .option("--out <file>", "write to a file instead of printing")
    .addOption(new Option("--markdown", "give Markdown").conflicts("json"))
    .option("--json", "give one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune compare runs/eval-base runs/eval-tuned --flips 3")
    .action(async (before: string, after: string, options) => {
      const comparison = await compare(before, after, {
        seed: options.seed,
        allowDifferentPrompts: options.allowDifferentPrompts ?? false,
        metrics: options.metrics,
      });
      const text = options.json
        ? `${JSON.stringify(toPlain(comparison, options.flips))}\n`
        : options.markdown
          ? comparison.toMarkdown()
          : toText(comparison, options.flips, options.out === undefined ? createPaint(stdout) : plain);
      if (options.out === undefined) {
        print(text, { coloured: !options.json && !options.markdown && wantsColour(stdout) });
      } else {
        makeFolder(dirname(options.out));
        writeWhole(options.out, text);
      }
    });
}
