/** @file `slimtune federate step`: one client's round, for another framework's clients. */

import type { Command } from "commander";
import { InputError } from "../../core/errors.ts";
import { tuneStep, writeBeginning } from "../../federation/step.ts";
import { parseWhole } from "../arguments.ts";
import { print } from "../output.ts";
import { addRunOptions } from "../run-options.ts";
import { withInterrupt } from "./interruption.ts";
import { readTuning } from "./tuning-options.ts";

export function addStep(federate: Command): void {
  const command = federate
    .command("step")
    .description(
      "Tune from tensors to tensors: one client's round, for another federated framework's clients.",
    );
  addRunOptions(command)
    .option("--begins <file>", "safetensors that the round begins with (default: what the seed draws)")
    .option("--round <n>", "the round's number, of which the order of the rows is drawn", parseWhole(1), 1)
    .option("--initial", "write what a first round begins with, and tune nothing")
    .option("--out <file>", "safetensors that the round ends with")
    .addHelpText(
      "after",
      `
It takes the options of \`slimtune tune\`, the same at all clients, and prints the rows and figures as one JSON object (docs/flower.md).

Example:
  slimtune federate step --model model.gguf --data mine.jsonl --max-steps 10 --begins global.safetensors --out next.safetensors`,
    )
    .action(async ({ begins, round, initial, out, verbose: _, ...flags }, command: Command) => {
      if (out === undefined)
        throw new InputError("The option --out is missing; name the file for the tensors.");
      const { tuning, own } = readTuning(flags, command);
      if (initial) return writeBeginning({ tuning, own, out });
      const result = await withInterrupt((signal, status) =>
        tuneStep(
          { tuning, own, round, out, ...(begins !== undefined && { begins }) },
          {
            signal,
            onStep: ({ step, loss }) => status.update(`step ${step}, loss ${loss.toFixed(4)}`),
          },
        ),
      );
      if (result) print(`${JSON.stringify(result)}\n`);
    });
}
