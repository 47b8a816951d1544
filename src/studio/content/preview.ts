/** @file Looks at a run before it starts: its rows as the model will see them, and what it will take. */

import { Hono } from "hono";
import { renderCommand } from "../../node/command-line.ts";
import type { Estimate } from "../api.ts";
import type { StudioContext } from "../context.ts";
import { runWords } from "../run-words.ts";
import type { Inquirer } from "./inquiry.ts";
import { givenOptions, readBody } from "./read-body.ts";

/** POST /preview and POST /estimate. */
export function previewRoutes({ admitOptions }: StudioContext, inquirer: Inquirer): Hono {
  return new Hono()
    .post("/preview", async (c) => {
      const options = admitOptions(await readBody(c, givenOptions));
      return c.json(await inquirer.ask("preview", options, c.req.raw.signal));
    })
    .post("/estimate", async (c) => {
      const given = await readBody(c, givenOptions);
      const estimate = await inquirer.ask("estimate", admitOptions(given), c.req.raw.signal);
      return c.json({
        ...estimate,
        command: renderCommand(["estimate", ...runWords(given).words]),
      } satisfies Estimate);
    });
}
