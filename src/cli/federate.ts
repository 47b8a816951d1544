/** @file `slimtune federate`: one model tuned on data that stay with their owners. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields, parseOptions } from "../core/parse-fields.ts";
import { takePublicRows } from "../federation/distillation/public-rows.ts";
import { consensuses } from "../federation/distillation/sparse-predictions.ts";
import { countRows } from "../federation/divide-rows.ts";
import { fedLlmTask, roundAggregations } from "../federation/fedllm/task.ts";
import {
  checkTask,
  frameworkNames,
  openMemberPart,
  openParts,
  whyNoSplit,
} from "../federation/frameworks.ts";
import { keepSecret } from "../federation/privacy/noise-secret.ts";
import {
  type RoundDocument,
  readMember,
  readRound,
  readRun,
  roundOptions,
} from "../federation/rounds/documents.ts";
import { createFederationMember } from "../federation/rounds/member.ts";
import { createFederationServer } from "../federation/rounds/server.ts";
import { type SimulatedRound, simulateFederation } from "../federation/simulate.ts";
import { stateFormats } from "../federation/split/codecs.ts";
import { splitVariants } from "../federation/split/task.ts";
import { tuneStep, writeBeginning } from "../federation/step.ts";
import { type OwnOptions, tunable } from "../federation/tuning.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { openAppendLog } from "../node/files/append-log.ts";
import { withLock } from "../node/files/lock.ts";
import { readText } from "../node/files/read.ts";
import { makeFolder, writeFolderWhole } from "../node/files/write.ts";
import { openLocalTransport } from "../transport/local-transport.ts";
import { openNatsTransport } from "../transport/nats-transport.ts";
import type { Transport } from "../transport/transport.ts";
import { parseNumber, parseWhole } from "./arguments.ts";
import { readConfigFile } from "./config-file.ts";
import { createStatusLine, formatBytes, note, print, type StatusLine } from "./output.ts";
import { addRunOptions, readRunOptions } from "./run-options.ts";
import { addCredentialOptions } from "./workers-option.ts";

export function addFederateCommands(program: Command): void {
  const federate = program
    .command("federate")
    .description("Tune one model on data that stay with their owners: adapters are sent, and averaged.");
  addSimulate(federate);
  addServer(federate);
  addJoin(federate);
  addStatus(federate);
  addLeave(federate);
  addStep(federate);
  // Each needs what the program's commands have.
  for (const command of federate.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();
}

function addSimulate(federate: Command): void {
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
        roundAggregations,
      ),
    )
    .option("--secure-aggregation", "masks hide each client's update from the server (with fedavg or ffa)")
    .option("--clip-norm <x>", "differential privacy: updates are clipped to this norm", parseNumber)
    .option("--noise-multiplier <x>", "differential privacy: noise on their sum, in units of it", parseNumber)
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
  slimtune federate simulate --framework kd --public gsm8k:test --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/kd
  slimtune federate simulate --framework split --cut 4 --model model.gguf --data gsm8k:train --limit 800 --max-steps 10 --out runs/split`,
    )
    .action(async (given, command: Command) => {
      const { clients, partition, classField, heldOut, limit, aggregation, rounds, clientShare, ...rest } =
        given;
      const { out, json, secureAggregation, clipNorm, noiseMultiplier, verbose: _, ...others } = rest;
      const { framework, public: publicSource, publicRows, topK, confidence, ...more } = others;
      const { distillSteps, distillLearningRate, cut, variant, splitDtype, ...flags } = more;
      if (out === undefined)
        throw new InputError("The option --out is missing; name the folder of the simulation.");
      const { tuning, own, origin } = readTuning(flags, command);
      const isNoisy = clipNorm !== undefined || noiseMultiplier !== undefined;
      if (framework === "kd" && publicSource === undefined)
        throw new InputError(
          "Distillation is on public texts that all have; name a file of them by --public.",
        );
      if (framework === "split" && cut === undefined)
        throw new InputError("A split is after one of the model's blocks; say after how many by --cut.");
      const taken = publicSource && (await takePublicRows(publicSource, publicRows, join(out, "public")));
      const asked = {
        ...{ framework, tuning, aggregation, secure_aggregation: secureAggregation },
        ...(isNoisy && { differential_privacy: { clip_norm: clipNorm, noise_multiplier: noiseMultiplier } }),
        ...{ top_k: topK, confidence, distill_steps: distillSteps },
        ...(taken && { public: { rows: taken.rows, sha256: taken.sha256 } }),
        ...{ distill_learning_rate: distillLearningRate, cut, variant, dtype: splitDtype },
      };
      // An option of another framework that was given is refused.
      const present = Object.entries(asked).filter(([, value]) => value !== undefined);
      const task = checkTask(Object.fromEntries(present), origin);
      const {
        run: __,
        clients: ___,
        ...roundsGiven
      } = parseOptions(
        roundOptions,
        {
          ...{
            run: "simulation",
            clients: ["a"],
            rounds,
            client_share: clientShare,
            seed: tuning.seed ?? 42,
          },
          sampling: isNoisy ? "poisson" : "fixed",
        },
        origin,
      );
      const result = await withInterrupt((signal, status) =>
        simulateFederation(
          {
            ...{ task, own, out, ...(taken && { publicRows: taken.path }) },
            rounds: roundsGiven,
            division: {
              ...{ clients, alpha: partition, heldOut, seed: roundsGiven.seed },
              ...(classField !== undefined && { classField }),
              ...(limit !== undefined && { limit }),
            },
          },
          {
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
          },
        ),
      );
      if (!result) return;
      if (json) print(`${JSON.stringify(result)}\n`);
      else
        print(
          `${result.rounds.map((round) => describeRound(round)).join("\n")}\nThe adapter is in ${result.adapter}.\n`,
        );
    });
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

/** A federation as its server's file describes it. */
const serverConfig = z.strictObject({
  /** The server reads its configuration, no weight is computed with. */
  model: z.string().min(1),
  /** The others are simulated alone; of a split it is said why. */
  framework: z.enum(["fedllm", "split"]).default("fedllm"),
  aggregation: fedLlmTask.shape.aggregation.default("product"),
  tuning: z.record(z.string(), z.unknown()).default({}),
  secure_aggregation: fedLlmTask.shape.secure_aggregation,
  differential_privacy: fedLlmTask.shape.differential_privacy,
  ...roundOptions.shape,
});

function addServer(federate: Command): void {
  const command = federate
    .command("server")
    .description("Move the rounds of a federation on: ask clients, await their adapters, average them.")
    .requiredOption("--config <file>", "YAML file with run, clients, model, rounds, tuning and so on");
  addTransportOptions(command)
    .requiredOption("--out <folder>", "folder for the adapter after the last round")
    .option("--json", "print one JSON object for each state of a round instead of text")
    .addHelpText(
      "after",
      `
The file, for example:
  run: clinic
  model: HuggingFaceTB/SmolLM2-135M-Instruct
  clients: [north, south, east]
  rounds: 5
  quorum: 0.6
  aggregation: product
  tuning: { max_steps: 20, lora: { r: 8 } }

Example:
  slimtune federate server --config fed.yaml --nats tls://broker.example --creds server.nk --out runs/fed`,
    )
    .action(async ({ config, out, json, verbose: _, ...place }) => {
      const { model, framework, aggregation, tuning, secure_aggregation, differential_privacy, ...rounds } =
        parseOptions(serverConfig, readConfigFile(config), config);
      if (framework === "split") throw new InputError(whyNoSplit);
      const task = checkTask(
        {
          ...{ framework: "fedllm", aggregation, tuning, secure_aggregation },
          ...(differential_privacy && { differential_privacy }),
        },
        config,
      );
      await withLock(out, "server", async () => {
        const transport = await openTransport(place);
        makeFolder(out);
        const secret = keepSecret(join(out, "noise.key"));
        const { server: part } = await openParts({ task, own: { model }, rounds, secret, folder: out });
        try {
          const server = createFederationServer({
            ...{ transport, rounds, part },
            onRound: (round) => (json ? print(`${JSON.stringify(round)}\n`) : note(describeState(round))),
          });
          const isDone = await withInterrupt(async (signal) => {
            await untilDone(() => server.advance(), signal);
            return true;
          });
          if (!isDone) return;
          const adapter = join(out, "adapter");
          const ends = await server.result();
          if (!existsSync(adapter)) await writeFolderWhole(adapter, (folder) => part.write(folder, ends));
          print(json ? `${JSON.stringify({ adapter })}\n` : `The adapter is in ${adapter}.\n`);
        } finally {
          await part.release();
          await transport.close();
        }
      });
    });
}

function describeState({
  round,
  attempt,
  state,
  drawn,
  contributions,
  dropped,
  figures,
}: RoundDocument): string {
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  const without = dropped.map(({ client, why }) => `; without ${client}: ${why}`).join("");
  const ended = Object.entries(figures).map(([name, value]) => `; ${name} ${value.toPrecision(3)}`);
  const what = {
    open: `asks ${drawn.join(", ")}`,
    collecting: "awaits updates",
    aggregating: `has ${contributions.length} of ${drawn.length} updates`,
    done: "is done",
  }[state];
  return `round ${round}${again} ${what}${without}${ended.join("")}`;
}

function addJoin(federate: Command): void {
  const command = federate
    .command("join")
    .description("Take part in a federation: tune on data of your own, which stay here.")
    .requiredOption("--run <name>", "the run, as its server calls it")
    .requiredOption("--client <name>", "your name there")
    .requiredOption("--model <path or id>", "the run's model: folder, .gguf file or Hub id")
    .requiredOption("--data <path or id>", "your rows, as `slimtune tune` reads them")
    .option("--threads <n>", "threads to compute with", parseWhole(1));
  addTransportOptions(command)
    .requiredOption("--out <folder>", "folder for what is under way, and for sent.jsonl: all that has left")
    .option("--audit", "print what has left this machine, and stop")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune federate join --run clinic --client north --model HuggingFaceTB/SmolLM2-135M-Instruct --data mine.jsonl --nats tls://broker.example --creds north.nk --out runs/north",
    )
    .action(async ({ run, client, model, data, threads, out, audit, verbose: _, ...place }) => {
      const sentPath = join(out, "sent.jsonl");
      if (audit) return showSent(sentPath);
      await withLock(out, "member", async () => {
        makeFolder(out);
        const transport = await openTransport(place);
        const sent = openAppendLog(sentPath);
        try {
          await withInterrupt(async (signal, status) => {
            status.update(`waiting for the run "${run}"`);
            const { task, rounds } = await untilBegun(transport, run, signal);
            const own = { model, data, ...(threads !== undefined && { threads }) };
            const checked = checkTask(task, `The run "${run}"`);
            const part = await openMemberPart({
              ...{ rounds, client, task: checked, own, folder: join(out, "rounds"), signal },
              examples: await countRows(await resolveDataset(data, "train")),
              events: {
                onStep: ({ step, loss }) => status.update(`tuning: step ${step}, loss ${loss.toFixed(4)}`),
              },
            });
            const member = createFederationMember({
              ...{ transport, run, client, part, signal },
              onSent(what) {
                sent.append(`${JSON.stringify({ time: new Date().toISOString(), ...what })}\n`);
                status.done();
                note(`round ${what.round}: sent an update of ${formatBytes(what.bytes)}`);
              },
            });
            await untilDone(() => member.advance(), signal);
            status.done();
            print(`The run "${run}" is done. What has left this machine is in ${sentPath}.\n`);
          });
        } finally {
          sent.close();
          await transport.close();
        }
      });
    });
}

function addStatus(federate: Command): void {
  const command = federate
    .command("status")
    .description("Show how far a federation is, and what its clients say.")
    .requiredOption("--run <name>", "the run, as its server calls it");
  addTransportOptions(command)
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune federate status --run clinic --nats tls://broker.example --creds server.nk",
    )
    .action(async ({ run, json, verbose: _, ...place }) => {
      const transport = await openTransport(place);
      try {
        const found = await readRun(transport, run);
        if (!found) throw new InputError(`There is no run "${run}".`);
        const { state, round, rounds } = found.value;
        const current = (await readRound(transport, run, round))?.value;
        const members = await Promise.all(
          // A client may read no other's.
          rounds.clients.map((client) => readMember(transport, run, client).catch(() => undefined)),
        );
        const said = members.flatMap((member) => (member ? [member.value] : []));
        if (json) print(`${JSON.stringify({ run: found.value, round: current, members: said })}\n`);
        else
          print(
            [
              state === "done"
                ? `${run}: done after ${round} rounds`
                : `${run}: round ${round} of ${rounds.rounds}`,
              ...(current ? [describeState(current)] : []),
              ...said.map(
                ({ client, round, update, hasLeft, examples }) =>
                  `${client}: ${hasLeft ? "has left" : update === undefined ? `at work on round ${round}` : `has sent round ${round}`}; ${examples} rows`,
              ),
              "",
            ].join("\n"),
          );
      } finally {
        await transport.close();
      }
    });
}

function addLeave(federate: Command): void {
  const command = federate
    .command("leave")
    .description("Say that a client takes no part any more; join takes it back.")
    .requiredOption("--run <name>", "the run, as its server calls it")
    .requiredOption("--client <name>", "your name there");
  addTransportOptions(command)
    .addHelpText(
      "after",
      "\nExample:\n  slimtune federate leave --run clinic --client north --nats tls://broker.example --creds north.nk",
    )
    .action(async ({ run, client, verbose: _, ...place }) => {
      const transport = await openTransport(place);
      try {
        const part = {
          ...{ examples: 1, longestBeginning: 0, forget: () => {} },
          update: () => Promise.reject(new Error("A client that leaves computes nothing.")),
        };
        await createFederationMember({ transport, run, client, part }).leave();
        print(`${client} has left "${run}".\n`);
      } finally {
        await transport.close();
      }
    });
}

function addStep(federate: Command): void {
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

interface Place {
  readonly nats?: string;
  readonly creds?: string;
  readonly ca?: string;
  readonly folder?: string;
}

function addTransportOptions(command: Command): Command {
  command.option("--nats <address>", "broker where all meet, such as tls://broker:4222");
  return addCredentialOptions(command).option(
    "--folder <folder>",
    "folder on this machine where all meet, in place of a broker",
  );
}

async function openTransport({ nats, folder, creds, ca }: Place): Promise<Transport> {
  if ((nats === undefined) === (folder === undefined))
    throw new InputError("Give either --nats or --folder: where server and clients meet.");
  return nats === undefined ? openLocalTransport(folder!) : openNatsTransport({ url: nats, creds, ca });
}

/** How often who waits looks again, in milliseconds. */
const pollMs = 1000;

async function untilDone(
  advance: () => Promise<"waits" | "moved" | "done">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const state = await advance();
    if (state === "done") return;
    if (state === "waits") await setTimeout(pollMs, undefined, { signal });
  }
}

/** Waits for a run's server. */
async function untilBegun(transport: Transport, run: string, signal: AbortSignal) {
  for (;;) {
    signal.throwIfAborted();
    const found = await readRun(transport, run);
    if (found) return found.value;
    await setTimeout(pollMs, undefined, { signal });
  }
}

/** Runs until Ctrl-C, after which the same command goes on. @returns undefined if it was stopped */
async function withInterrupt<T>(
  run: (signal: AbortSignal, status: StatusLine) => Promise<T>,
): Promise<T | undefined> {
  const status = createStatusLine();
  const interrupt = new AbortController();
  const onSignal = () => {
    status.done();
    if (interrupt.signal.aborted) process.exit(130);
    note("Stopping; give the same command again to go on.");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await run(interrupt.signal, status);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = 130;
    return undefined;
  } finally {
    status.done();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** The options that a round's tuning has, and those by which this machine reads its model and data. */
function readTuning(
  flags: Readonly<Record<string, unknown>>,
  command: Command,
): { readonly tuning: Record<string, unknown>; readonly own: OwnOptions; readonly origin: string } {
  const { options, origin } = readRunOptions(flags, command);
  const tuning: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if ((tunable as readonly string[]).includes(name)) tuning[name] = value;
    else if ((ownNames as readonly string[]).includes(name)) own[name] = value;
    else throw new InputError(`${origin}: "${name}" cannot be set for a federation; leave it out.`);
  }
  for (const name of ["model", "data"] as const)
    if (own[name] === undefined) throw new InputError(`The option --${name} is missing.`);
  return { tuning, own: own as unknown as OwnOptions, origin };
}

const ownNames = ["model", "data", "revision", "fields", "data_split", "threads", "device", "segment_size"];

/** @returns the Dirichlet distribution's alpha */
function parsePartition(text: string): number {
  if (text === "iid") return Number.POSITIVE_INFINITY;
  const alpha = Number(/^dirichlet:(.+)$/.exec(text)?.[1]);
  if (!(alpha > 0)) throw new InvalidArgumentError("Give iid, or dirichlet: and a positive number.");
  return alpha;
}

const sentLine = z.object({ time: z.string(), round: z.int(), hash: z.string(), bytes: z.int() });

function showSent(path: string): void {
  if (!existsSync(path)) throw new InputError(`There is no ${path}: nothing has been sent from this folder.`);
  const lines = readText(path)
    .split("\n")
    .filter((line) => line !== "")
    .map((line, i) => parseFields(sentLine, parseJson(line, path), `${path}, line ${i + 1}`));
  for (const { time, round, hash, bytes } of lines)
    print(`${time}  round ${round}  ${hash}  ${formatBytes(bytes)}\n`);
  print(
    `${lines.length} updates, ${formatBytes(lines.reduce((sum, { bytes }) => sum + bytes, 0))} in all; beside them only the number of rows, losses and the state of your rounds.\n`,
  );
}
