/** @file Options from a YAML file. */

import { existsSync, readFileSync } from "node:fs";
import { parse, YAMLParseError } from "yaml";
import { InputError } from "../errors.ts";

/** The options in a YAML file. @throws InputError if it is missing or holds none. */
export function readConfigFile(path: string): Record<string, unknown> {
  if (!existsSync(path)) throw new InputError(`There is no configuration file ${path}.`);
  try {
    const options = parse(readFileSync(path, "utf8"));
    if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new InputError(`${path} is not valid YAML: ${error.message.split("\n")[0]}`);
  }
  throw new InputError(`${path} holds no options; write lines such as "learning_rate: 0.0002".`);
}
