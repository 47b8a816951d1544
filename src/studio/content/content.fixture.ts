/** @file The content's routes over folders of a test, as built (npm test builds them): their processes are of built files. */

import { existsSync } from "node:fs";
import { Hono } from "hono";
import { InputError } from "../../core/errors.ts";
import { ApiError } from "../../server/api-error.ts";
import { openFolders } from "../folders.ts";
import { admitModel, admitOptions } from "../given-options.ts";
import { idOf } from "../ids.ts";

const { createContent }: typeof import("./content.ts") = await import(
  new URL("../../../dist/studio/content/content.js", import.meta.url).href
);

export interface TestedContent {
  /** A request below /api; what is given is sent as JSON. */
  ask(path: string, given?: unknown): Promise<Response>;
  close(): Promise<void>;
}

/** @param runs folders that are found as runs */
export function openContent(paths: readonly string[], runs: readonly string[] = []): TestedContent {
  const folders = openFolders(paths);
  const content = createContent({
    folders,
    admitOptions: (given) => admitOptions(folders, given),
    admitModel: (model) => admitModel(folders, model),
    findRun(id) {
      const found = runs.find((path) => idOf(path) === id && existsSync(path));
      if (found === undefined) throw new ApiError(404, `There is no run ${id}.`);
      return found;
    },
  });
  const app = new Hono().route("/", content.routes);
  app.onError((error, c) => {
    // The classes are those of the built files.
    const { name, status = 400, message } = error as Error & { status?: 400 | 403 | 404 };
    if (name !== InputError.name && name !== ApiError.name) throw error;
    return c.json({ error: message }, status);
  });
  return {
    async ask(path, given) {
      const body = given === undefined ? {} : { method: "POST", body: JSON.stringify(given) };
      return app.request(path, { ...body, headers: { "content-type": "application/json" } });
    },
    close: content.close,
  };
}
