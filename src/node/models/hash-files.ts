/** @file The content of a model's or adapter's files as one number. */

import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** The SHA-256 of a file, or of the files in a folder that a model or adapter is made of, with their names. */
export async function hashFiles(path: string): Promise<string> {
  const hash = createHash("sha256");
  const files = statSync(path).isFile() ? [path] : listFiles(path);
  for (const file of files) {
    if (file !== path) hash.update(`${file.slice(path.length)}\0${statSync(file).size}\0`);
    for await (const bytes of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(bytes);
  }
  return hash.digest("hex");
}

function listFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(?:safetensors|json|jinja|model|txt)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile());
}
