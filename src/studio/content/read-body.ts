/** @file Bodies of requests, checked. */

import type { Context } from "hono";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseFields } from "../../core/parse-fields.ts";

/** The JSON of a request's body. @throws InputError if it is none, or not of the schema's form. */
export async function readBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const body: unknown = await c.req.json().catch(() => {
    throw new InputError("The request's body is no JSON.");
  });
  return parseFields(schema, body, "The request");
}

/** A person's options, which the run's own schema checks. */
export const givenOptions = z.record(z.string(), z.unknown());
