/** @file The Python in which peers run; nothing else of this project needs one. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cachePath } from "../src/node/cache-folder.ts";

const requirements = "reference/requirements.txt";

/**
 * The program that SLIMTUNE_PYTHON names, or one of an environment of its own with the pinned versions, which is made in the
 * user's folder of caches the first time (about 5 GB).
 */
export function preparePython(): string {
  if (process.env.SLIMTUNE_PYTHON) return process.env.SLIMTUNE_PYTHON;
  const versions = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = cachePath("peers", versions);
  const python = join(folder, "bin", "python");
  const finished = join(folder, "finished");
  if (existsSync(finished)) return python;
  process.stderr.write(`making a Python environment with the peers in ${folder}\n`);
  run("python3", ["-m", "venv", folder]);
  run(python, ["-m", "pip", "install", "--quiet", "-r", requirements]);
  writeFileSync(finished, "");
  return python;
}

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0)
    throw new Error(`${program} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
}
