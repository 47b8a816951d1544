/** @file `slimtune federate simulate`: a federation on this machine, of a file's rows. */

import { type Command, InvalidArgumentError, Option, type OptionValues } from "commander";
import { InputError } from "../../core/errors.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import { describePublicRows } from "../../federation/distillation/public-rows.ts";
import { consensuses } from "../../federation/distillation/sparse-predictions.ts";
import { aggregationNames } from "../../federation/fedllm/task.ts";
import { checkTask, frameworkNames } from "../../federation/frameworks.ts";
import { roundOptions } from "../../federation/rounds/documents.ts";
import {
  type SimulatedRound,
  type SimulationOptions,
  simulateFederation,
} from "../../federation/simulate.ts";
import { stateFormats } from "../../federation/split/codecs.ts";
import { splitVariants } from "../../federation/split/task.ts";
import { parseNumber, parseWhole, parseWholes } from "../arguments.ts";
import { formatBytes, note, print } from "../output.ts";
import { addRunOptions } from "../run-options.ts";
import { withInterrupt } from "./interruption.ts";
import { readTuning } from "./tuning-options.ts";

export function addSimulate(federate: Command): void {
  const command = federate
    .command("simulate")
    .description("Divide a file's rows among clients on this machine, and tune as if each had only its own.");
  addRunOptions(command)
    .option("--clients <n>", "among how many the rows are divided", parseWhole(1), 4)
    .option(
      "--partition <how>",
      "iid, or dirichlet:ALPHA: the lower, the more a class is one client's",
      parsePartition,
      Number.POSITIVE_INFINITY,
    )
    .option("--class-field <field>", "whose values are the classes (default: how long a row is, in quarters)")
    .option("--held-out <share>", "of each client's rows, on which the loss is measured", parseNumber, 0.1)
    .option("--limit <n>", "only the first n rows", parseWhole(1))
    .addOption(
      new Option(
        "--framework <name>",
        "what is sent: adapters, predictions of public texts (kd), or states between two blocks (split)",
      )
        .choices(frameworkNames)
        .default("fedllm"),
    )
    .option("--public <file or split>", "kd: rows that all have, read as --data")
    .option("--public-rows <n>", "kd: only the first n of them", parseWhole(1), 64)
    .option(
      "--top-k <n>",
      "kd: likeliest tokens that are sent of each prediction (default: 32)",
      parseWhole(1),
    )
    .addOption(
      new Option("--confidence <how>", "kd: mean, or those who are sure count more").choices(consensuses),
    )
    .option("--distill-steps <n>", "kd: steps of each distillation (default: one pass)", parseWhole(1))
    .option("--distill-learning-rate <x>", "kd: default: the tuning's", parseNumber)
    .option("--cut <n>", "split: blocks that a client computes", parseWhole(1))
    .addOption(
      new Option(
        "--variant <name>",
        "split: plain, and the server is sent the labels, or u-shaped (default)",
      ).choices(splitVariants),
    )
    .addOption(
      new Option("--split-dtype <name>", "split: of what crosses the cut (default: float32)").choices(
        stateFormats,
      ),
    )
    .addOption(
      new Option("--aggregation <name>", "how adapters become one (docs/federation.md)").choices(
        aggregationNames,
      ),
    )
    .option(
      "--residual-rank <n>",
      "fedex, flora: rank to which what stands beside the adapter is cut (default: nothing is lost)",
      parseWhole(1),
    )
    .option("--secure-aggregation", "masks hide each client's update from the server (with fedavg or ffa)")
    .option("--clip-norm <x>", "differential privacy: updates are clipped to this norm", parseNumber)
    .option("--noise-multiplier <x>", "differential privacy: noise on their sum, in units of it", parseNumber)
    .option(
      "--client-ranks <list>",
      "product, flora: rank of each client's adapter, such as 4,8,8,16 (default: that of --r)",
      parseWholes,
    )
    .option("--rounds <n>", "rounds", parseWhole(1), 5)
    .option("--client-share <share>", "of the clients, drawn for each round", parseNumber, 1)
    .option("--out <folder>", "folder of the simulation")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
A round's tuning takes the options of \`slimtune tune\`: give --max-steps, or a round is an epoch of each client's rows.

Example:
  slimtune federate simulate --model model.gguf --data gsm8k:train --limit 800 --clients 8 --partition dirichlet:0.1 --max-steps 10 --rounds 5 --out runs/fed
  slimtune federate simulate --aggregation fedex --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/fedex
  slimtune federate simulate --clients 4 --r 8 --client-ranks 4,8,8,16 --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/ranks
  slimtune federate simulate --framework kd --public gsm8k:test --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/kd
  slimtune federate simulate --framework split --cut 4 --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/split`,
    )
    .action(async ({ out, json, verbose: _, ...flags }, command: Command) => {
      if (out === undefined)
        throw new InputError("The option --out is missing; name the folder of the simulation.");
      const options = await readSimulation(flags, out, command);
      const result = await withInterrupt((signal, status) =>
        simulateFederation(options, {
          signal,
          onStage: (stage) => status.update(stage),
          onClients(clients) {
            status.done();
            for (const { client, rows, heldOutRows, classes } of clients)
              note(
                `${client}: ${rows} rows, ${heldOutRows} held out; ${Object.entries(classes)
                  .map(([name, count]) => `${name} ${count}`)
                  .join(", ")}`,
              );
          },
          onRound(round) {
            status.done();
            note(describeRound(round));
          },
        }),
      );
      if (!result) return;
      if (json) print(`${JSON.stringify(result)}\n`);
      else
        print(
          `${result.rounds.map((round) => describeRound(round)).join("\n")}\nThe adapter is in ${result.adapter}.\n`,
        );
    });
}

/** Flags of what is done in the rounds, by what the task calls them. */
const taskFields: Readonly<Record<string, string>> = {
  framework: "framework",
  aggregation: "aggregation",
  residualRank: "residual_rank",
  secureAggregation: "secure_aggregation",
  topK: "top_k",
  confidence: "confidence",
  distillSteps: "distill_steps",
  distillLearningRate: "distill_learning_rate",
  cut: "cut",
  variant: "variant",
  splitDtype: "dtype",
};

async function readSimulation(
  flags: OptionValues,
  out: string,
  command: Command,
): Promise<SimulationOptions> {
  const { clients, partition, classField, heldOut, limit, rounds, clientShare, ...others } = flags;
  const { clipNorm, noiseMultiplier, public: publicSource, publicRows, clientRanks, ...given } = others;
  const ofTask = Object.entries(given).filter(([flag, value]) => flag in taskFields && value !== undefined);
  const ofTuning = Object.entries(given).filter(([flag]) => !(flag in taskFields));
  const { tuning, own, origin } = readTuning(Object.fromEntries(ofTuning), command);
  if (given.framework === "kd" && publicSource === undefined)
    throw new InputError("Distillation is on public texts that all have; name a file of them by --public.");
  if (given.framework === "split" && given.cut === undefined)
    throw new InputError("A split is after one of the model's blocks; say after how many by --cut.");
  const isNoisy = clipNorm !== undefined || noiseMultiplier !== undefined;
  // An option of another framework that was given is refused.
  const task = checkTask(
    {
      ...Object.fromEntries(ofTask.map(([flag, value]) => [taskFields[flag], value])),
      ...(isNoisy && { differential_privacy: { clip_norm: clipNorm, noise_multiplier: noiseMultiplier } }),
      ...(publicSource && { public: await describePublicRows(publicSource, publicRows) }),
      tuning,
    },
    origin,
  );
  const seed = tuning.seed ?? 42;
  const sampling = isNoisy ? "poisson" : "fixed";
  const ofRounds = parseOptions(
    roundOptions.omit({ run: true, clients: true }),
    { rounds, client_share: clientShare, seed, sampling },
    origin,
  );
  return {
    ...{ task, own, out, rounds: ofRounds, publicRows: publicSource, ranks: clientRanks },
    division: { clients, alpha: partition, classField, heldOut, limit, seed: ofRounds.seed },
  };
}

function describeRound({ round, heldOutLoss, sentBytes, receivedBytes, figures }: SimulatedRound): string {
  const losses = Object.values(heldOutLoss);
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
  const loss =
    losses.length === 0
      ? "nothing held out"
      : `held-out loss ${mean.toFixed(4)}, worst client ${Math.max(...losses).toFixed(4)}`;
  if (round === 0) return `before: ${loss}`;
  const { aggregation_error: lost, epsilon } = figures;
  return `round ${round}: ${loss}; a client sends ${formatBytes(sentBytes)} and receives ${formatBytes(receivedBytes)}${lost === undefined ? "" : `; lost in averaging ${(100 * lost).toFixed(1)} %`}${epsilon === undefined ? "" : `; ε ${epsilon.toFixed(2)} so far`}`;
}

/** @returns the Dirichlet distribution's alpha */
function parsePartition(text: string): number {
  if (text === "iid") return Number.POSITIVE_INFINITY;
  const alpha = Number(/^dirichlet:(.+)$/.exec(text)?.[1]);
  if (!(alpha > 0)) throw new InvalidArgumentError("Give iid, or dirichlet: and a positive number.");
  return alpha;
}
