/** @file The options of commands that write texts: how tokens are drawn, and with which weights. */

import { type Command, Option } from "commander";
import type { GeneratorOptions } from "../core/decoding/batch-generator.ts";
import { type Storage, storages } from "../core/models/linear.ts";
import {
  type Arithmetic,
  type ArithmeticChoice,
  arithmetics,
  chooseArithmetic,
} from "../node/decoding/arithmetic.ts";
import type { DeviceChoice } from "../node/decoding/generate.ts";
import { checkDevice, type DeviceName, deviceNames, openDevice } from "../node/runtime/onnx-runtime.ts";
import { parseNumber, parseWhole } from "./arguments.ts";

/** Adds the options that {@link SamplingOptions} names. */
export function addSamplingOptions(
  command: Command,
  defaults: { readonly temperature: number; readonly topP: number },
): Command {
  return command
    .option(
      "--temperature <t>",
      "0 takes the likeliest token; higher is more varied",
      parseNumber,
      defaults.temperature,
    )
    .option(
      "--top-p <p>",
      "draw from the likeliest tokens of this total probability",
      parseNumber,
      defaults.topP,
    )
    .option("--top-k <n>", "draw from this many of the likeliest tokens", parseWhole(1))
    .option(
      "--min-p <p>",
      "draw from tokens at least this many times as likely as the likeliest",
      parseNumber,
      0,
    )
    .option(
      "--repetition-penalty <x>",
      "makes tokens that were there before less likely if above 1",
      parseNumber,
      1,
    );
}

/** Adds --storage, --bits and --exact. */
export function addWeightOptions(command: Command): Command {
  return command
    .addOption(new Option("--storage <kind>", "how weights are kept (default: float32)").choices(storages))
    .addOption(
      new Option(
        "--bits <n>",
        "write with weights of so many bits: faster, not the same model (default for int8 and nf4: 8)",
      ).choices(["4", "8"]),
    )
    .addOption(new Option("--exact", "write with the weights as they are kept").conflicts("bits"));
}

/** Adds --speculate. */
export function addSpeculateOption(command: Command): Command {
  return command.option(
    "--speculate <n>",
    "draft up to n tokens a step from what the text and its prompt hold, and check them: faster where texts repeat",
    parseWhole(0),
    0,
  );
}

/** Adds --arithmetic. */
export function addArithmeticOption(command: Command): Command {
  return command.addOption(
    new Option(
      "--arithmetic <kind>",
      "int8: keep weights in int8, and read prompts and scored texts by products of integers, on the CPU (default: float32)",
    ).choices(arithmetics),
  );
}

/** Adds --device. */
export function addDeviceOption(command: Command): Command {
  return command.addOption(
    new Option("--device <name>", "where to compute (default: cpu)").choices(deviceNames),
  );
}

/** What --device says. @throws InputError if there is no such device. */
export async function readDevice({ device }: { readonly device?: DeviceName }): Promise<DeviceChoice> {
  if (device === undefined) return {};
  return { device: await checkDevice(openDevice(device)) };
}

/** What --storage and --arithmetic say, of a device. @throws InputError as {@link chooseArithmetic}. */
export function readArithmetic(
  { device = openDevice("cpu") }: DeviceChoice,
  { storage, arithmetic }: { readonly storage?: Storage; readonly arithmetic?: Arithmetic },
): Promise<ArithmeticChoice> {
  return chooseArithmetic(device, { ...(storage && { storage }), ...(arithmetic && { arithmetic }) });
}

/** What --bits and --exact say. */
export function readBits(options: {
  readonly bits?: string | undefined;
  readonly exact?: boolean | undefined;
}): Pick<GeneratorOptions, "bits"> {
  if (options.exact) return { bits: "exact" };
  return options.bits === undefined ? {} : { bits: Number(options.bits) as 4 | 8 };
}

/** Adds the options of commands that ask a model on this machine or a server. */
export function addWriterOptions(command: Command): Command {
  return command
    .option(
      "--plain",
      "ask in plain text, also where the model has a chat template, or a server's endpoint for chats",
    )
    .option(
      "--batch-size <n>",
      "texts written at a time, or requests under way at a server",
      parseWhole(1),
      16,
    )
    .option("--seed <n>", "seed of the draws", parseWhole(0), 0);
}
