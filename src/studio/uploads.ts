/** @file Files that a person drops on the page, written as they come into a folder of their own. */

import { existsSync } from "node:fs";
import { extname, join } from "node:path";
import { InputError } from "../core/errors.ts";
import { makeFolder, writeInParts } from "../node/files/write.ts";
import { rowFileExtensions } from "../node/formats/rows.ts";
import { ApiError } from "../server/api-error.ts";
import type { Upload } from "./api.ts";

export interface Uploads {
  /** The largest in bytes. */
  readonly maximum: number;
  /**
   * Writes a request's body to a file; one of the same name is kept, and the new one numbered.
   *
   * @throws InputError if the name or its ending is none of data or a model, ApiError 413 if it is too large, 400 if it breaks off.
   */
  receive(name: string, request: Request): Promise<Upload>;
}

/** The largest upload in bytes, unless said otherwise. */
const defaultMaximum = 1e9;

export function createUploads(folder: string, maximum = defaultMaximum): Uploads {
  /** Paths that are being written. */
  const taken = new Set<string>();

  function choosePath(name: string): string {
    const ending = extname(name);
    const stem = name.slice(0, name.length - ending.length);
    for (let number = 1; ; number++) {
      const path = join(folder, `${stem}${number === 1 ? "" : `-${number}`}${ending}`);
      if (!existsSync(path) && !taken.has(path)) return path;
    }
  }

  return {
    maximum,
    async receive(name, request) {
      checkName(name);
      const tooLarge = () =>
        new ApiError(
          413,
          `The file has more than ${maximum / 1e6} MB, the most that is taken here; move it into a folder of the studio's by other means.`,
          { headers: { connection: "close" } },
        );
      if (Number(request.headers.get("content-length") ?? 0) > maximum) throw tooLarge();
      makeFolder(folder);
      const path = choosePath(name);
      taken.add(path);
      let bytes = 0;
      try {
        await writeInParts(path, count(request));
      } finally {
        taken.delete(path);
      }
      return { path, bytes };

      async function* count({ body }: Request): AsyncGenerator<Uint8Array> {
        for await (const part of receiveParts(body)) {
          bytes += part.length;
          if (bytes > maximum) throw tooLarge();
          yield part;
        }
      }
    },
  };
}

async function* receiveParts(body: Request["body"]): AsyncGenerator<Uint8Array> {
  try {
    yield* body ?? [];
  } catch {
    throw new ApiError(400, "The upload broke off; try again.");
  }
}

const endings = [...rowFileExtensions, ".gguf"];

/** Names of files only: none that leads elsewhere, is hidden, or could be taken for a run's or a program's. */
function checkName(name: string): void {
  if (!/^[\p{L}\p{N}_][\p{L}\p{N} ._()+-]*$/u.test(name) || name.length > 200)
    throw new InputError(
      `${JSON.stringify(name)} cannot be the name of a file here; use letters, digits, . _ and -.`,
    );
  if (!endings.includes(extname(name).toLowerCase()))
    throw new InputError(`${name} is neither data nor a model; its name must end in ${endings.join(", ")}.`);
}
