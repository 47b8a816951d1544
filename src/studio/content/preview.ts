/** @file Looks at a run before it starts: its rows as the model will see them, and what it will take. */

import { Hono } from "hono";
import { z } from "zod";
import { renderCommand } from "../../node/command-line.ts";
import type { Estimate, Preview } from "../api.ts";
import type { StudioContext } from "../context.ts";
import { optionWords } from "../job-plan.ts";
import { jsonBody } from "../json-body.ts";
import type { Inquirer } from "./inquiry.ts";

/** A person's options, which the run's own schema checks. */
const givenOptions = z.record(z.string(), z.unknown());

/** POST /preview and POST /estimate. */
export function previewRoutes({ admitOptions }: StudioContext, inquirer: Inquirer) {
  return new Hono()
    .post("/preview", jsonBody(givenOptions), async (c) => {
      const options = admitOptions(c.req.valid("json"));
      const { answer, warnings } = await inquirer.ask("preview", options, c.req.raw.signal);
      return c.json({ ...answer, warnings } satisfies Preview);
    })
    .post("/estimate", jsonBody(givenOptions), async (c) => {
      const options = admitOptions(c.req.valid("json"));
      const { answer, warnings } = await inquirer.ask("estimate", options, c.req.raw.signal);
      const command = renderCommand(["estimate", ...optionWords(options, "options.yaml")]);
      return c.json({ ...answer, warnings, command } satisfies Estimate);
    });
}
