/** @file `slimtune federate server`: moves the rounds of a federation on. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import { checkTask, openParts, whyNoSplit } from "../../federation/frameworks.ts";
import { keepSecret } from "../../federation/privacy/noise-secret.ts";
import { type RoundDocument, roundOptions } from "../../federation/rounds/documents.ts";
import { createFederationServer } from "../../federation/rounds/server.ts";
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

Example:
  slimtune federate server --config fed.yaml --nats tls://broker.example --creds server.nk --out runs/fed`,
    )
    .action(async ({ config, out, json, verbose: _, ...place }) => {
      const options = readServerConfig(config);
      const adapter = join(out, "adapter");
      const isDone = await withInterrupt((signal) =>
        withTransport(place, (transport) =>
          withLock(out, "server", async () => {
            const secret = keepSecret(join(out, "noise.key"));
            const { server: part } = await openParts({ ...options, secret, signal, folder: out });
            try {
              const server = createFederationServer({
                ...{ transport, rounds: options.rounds, part },
                onRound: (round) => (json ? print(`${JSON.stringify(round)}\n`) : note(describeState(round))),
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

/**
 * A federation as its server's file describes it: the model, whose configuration and weights' fingerprint the server reads, how rounds go, and what is
 * done in them.
 */
function readServerConfig(path: string) {
  const { model, ...given } = parseOptions(
    z.looseObject({ model: z.string().min(1) }),
    readConfigFile(path),
    path,
  );
  const ofRounds = Object.entries(given).filter(([name]) => name in roundOptions.shape);
  const ofTask = Object.entries(given).filter(([name]) => !(name in roundOptions.shape));
  const task = checkTask({ framework: "fedllm", ...Object.fromEntries(ofTask) }, path);
  if (task.framework === "split") throw new InputError(whyNoSplit);
  return { task, own: { model }, rounds: parseOptions(roundOptions, Object.fromEntries(ofRounds), path) };
}

/** A round's state in a line. */
export function describeState({
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
