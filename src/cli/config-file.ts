/** @file Options from a YAML file. */

import { existsSync } from "node:fs";
import { InputError } from "../core/errors.ts";
import { readYaml } from "../node/files/structured.ts";

/** The options in a YAML file. @throws InputError if it is missing or holds none. */
export function readConfigFile(path: string): Record<string, unknown> {
  if (!existsSync(path)) throw new InputError(`There is no configuration file ${path}.`);
  const options = readYaml(path);
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return { ...options };
  throw new InputError(`${path} holds no options; write lines such as "learning_rate: 0.0002".`);
}
