/** @file `slimtune federate join`: takes part with data that stay on this machine. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseJson } from "../../core/formats/json-document.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { countRows } from "../../federation/divide-rows.ts";
import { checkTask, openMemberPart } from "../../federation/frameworks.ts";
import { readRun } from "../../federation/rounds/documents.ts";
import { createFederationMember } from "../../federation/rounds/member.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { openAppendLog } from "../../node/files/append-log.ts";
import { withLock } from "../../node/files/lock.ts";
import { readText } from "../../node/files/read.ts";
import type { Transport } from "../../transport/transport.ts";
import { parseWhole } from "../arguments.ts";
import { formatBytes, note, print, type StatusLine } from "../output.ts";
import { withInterrupt } from "./interruption.ts";
import { addMeetingOptions, untilDone, untilFound, withTransport } from "./meeting.ts";

export function addJoin(federate: Command): void {
  const command = federate
    .command("join")
    .description("Take part in a federation: tune on data of your own, which stay here.")
    .requiredOption("--run <name>", "the run, as its server calls it")
    .requiredOption("--client <name>", "your name there")
    .requiredOption("--model <path or id>", "the run's model: folder, .gguf file or Hub id")
    .requiredOption("--data <path or id>", "your rows, as `slimtune tune` reads them")
    .option("--public <file or split>", "of a distillation: the run's public rows, read as --data")
    .option("--rank <n>", "of your adapter, where the run's is too high or too low for you", parseWhole(1))
    .option("--threads <n>", "threads to compute with", parseWhole(1));
  addMeetingOptions(command)
    .requiredOption("--out <folder>", "folder for what is under way, and for sent.jsonl: all that has left")
    .option("--audit", "print what has left this machine, and stop")
    .addHelpText(
      "after",
      `
Examples:
  slimtune federate join --run clinic --client north --model HuggingFaceTB/SmolLM2-135M-Instruct --data mine.jsonl --nats tls://broker.example --creds north.nk --out runs/north
  slimtune federate join --run clinic-kd --client north --public gsm8k:test --model HuggingFaceTB/SmolLM2-135M-Instruct --data mine.jsonl --nats tls://broker.example --creds north.nk --out runs/north-kd`,
    )
    .action(async ({ out, audit, nats, creds, ca, folder, verbose: _, ...options }) => {
      const sentPath = join(out, "sent.jsonl");
      if (audit) return showSent(sentPath);
      const isDone = await withInterrupt((signal, status) =>
        withTransport({ nats, creds, ca, folder }, (transport) =>
          withLock(out, "member", () => takePart({ ...options, transport, out, sentPath }, signal, status)),
        ),
      );
      if (isDone) print(`The run "${options.run}" is done. What has left this machine is in ${sentPath}.\n`);
    });
}

interface TakingPart {
  readonly transport: Transport;
  readonly run: string;
  readonly client: string;
  readonly model: string;
  readonly data: string;
  readonly public?: string;
  readonly rank?: number;
  readonly threads?: number;
  readonly out: string;
  /** Log of what has left this machine. */
  readonly sentPath: string;
}

/** Answers the rounds of a run until it is done. @returns true */
async function takePart(
  { transport, run, client, model, data, public: publicRows, rank, threads, out, sentPath }: TakingPart,
  signal: AbortSignal,
  status: StatusLine,
): Promise<true> {
  status.update(`waiting for the run "${run}"`);
  const { task, rounds } = (await untilFound(() => readRun(transport, run), signal)).value;
  const part = await openMemberPart({
    ...{ rounds, client, publicRows, rank, signal },
    task: checkTask(task, `The run "${run}"`),
    folder: join(out, "rounds"),
    own: { model, data, ...(threads !== undefined && { threads }) },
    examples: await countRows(await resolveDataset(data, "train")),
    events: {
      onStep: ({ step, loss }) => status.update(`tuning: step ${step}, loss ${loss.toFixed(4)}`),
    },
  });
  const sent = openAppendLog(sentPath);
  try {
    const member = createFederationMember({
      ...{ transport, run, client, part, signal },
      onSent(what) {
        sent.append(`${JSON.stringify({ time: new Date().toISOString(), ...what })}\n`);
        status.done();
        note(`round ${what.round}: sent an update of ${formatBytes(what.bytes)}`);
      },
    });
    await untilDone(() => member.advance(), signal);
    return true;
  } finally {
    sent.close();
    await part.release();
  }
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
