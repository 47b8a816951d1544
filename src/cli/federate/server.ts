/** @file `slimtune federate server`: moves the rounds of a federation on. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import { describePublicRows } from "../../federation/distillation/public-rows.ts";
import { checkTask, openParts, whyNoSplit } from "../../federation/frameworks.ts";
import { keepSecret } from "../../federation/privacy/noise-secret.ts";
import { roundOptions } from "../../federation/rounds/documents.ts";
import { createFederationServer } from "../../federation/rounds/server.ts";
import { describeRound } from "../../federation/rounds/status.ts";
import { withLock } from "../../node/files/lock.ts";
import { writeFolderWhole } from "../../node/files/write.ts";
import { readConfigFile } from "../config-file.ts";
import { note, print } from "../output.ts";
import { withInterrupt } from "./interruption.ts";
import { addMeetingOptions, untilDone, withTransport } from "./meeting.ts";

export function addServer(federate: Command): void {
  const command = federate
    .command("server")
    .description("Move the rounds of a federation on: ask clients, await their adapters, average them.")
    .requiredOption("--config <file>", "YAML file with run, clients, model, rounds, tuning and so on");
  addMeetingOptions(command)
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
With "product" and "flora" clients may join with lower ranks, and with higher ones up to max_rank, such as 16.
For distillation, in place of the aggregation:
  framework: kd
  public: gsm8k:test
  public_rows: 64

Example:
  slimtune federate server --config fed.yaml --nats tls://broker.example --creds server.nk --out runs/fed`,
    )
    .action(async ({ config, out, json, verbose: _, ...place }) => {
      const options = await readServerConfig(config);
      const adapter = join(out, "adapter");
      const isDone = await withInterrupt((signal) =>
        withTransport(place, (transport) =>
          withLock(out, "server", async () => {
            const secret = keepSecret(join(out, "noise.key"));
            const { server: part } = await openParts({ ...options, secret, signal, folder: out });
            try {
              const server = createFederationServer({
                ...{ transport, rounds: options.rounds, part },
                onRound: (round) => (json ? print(`${JSON.stringify(round)}\n`) : note(describeRound(round))),
              });
              await untilDone(() => server.advance(), signal);
              const ends = await server.result();
              if (!existsSync(adapter)) await writeFolderWhole(adapter, (folder) => part.write(folder, ends));
              return true;
            } finally {
              await part.release();
            }
          }),
        ),
      );
      if (isDone) print(json ? `${JSON.stringify({ adapter })}\n` : `The adapter is in ${adapter}.\n`);
    });
}

/** What a server's file has beside the options of rounds and task. */
const servedOptions = z.looseObject({
  model: z.string().min(1),
  /** Of distillation: file or Hub dataset of the public rows, of which the first so many count. */
  public: z.string().min(1).optional(),
  public_rows: z.int().min(1).default(64),
});

/**
 * A federation as its server's file describes it: the model, whose configuration and weights' fingerprint the server reads, how rounds go, and what is
 * done in them.
 */
async function readServerConfig(path: string) {
  const {
    model,
    public: source,
    public_rows,
    ...given
  } = parseOptions(servedOptions, readConfigFile(path), path);
  const ofRounds = Object.entries(given).filter(([name]) => name in roundOptions.shape);
  const ofTask = Object.entries(given).filter(([name]) => !(name in roundOptions.shape));
  if (given.framework === "split") throw new InputError(whyNoSplit);
  if (given.framework === "kd" && source === undefined)
    throw new InputError(
      `${path}: distillation is on public texts that all have; name a file of them by "public".`,
    );
  const rounds = parseOptions(roundOptions, Object.fromEntries(ofRounds), path);
  const described = source !== undefined && { public: await describePublicRows(source, public_rows) };
  const task = checkTask({ framework: "fedllm", ...Object.fromEntries(ofTask), ...described }, path);
  return { task, own: { model }, rounds, publicRows: source };
}
