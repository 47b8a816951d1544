/** @file Bodies of requests. */

import { validator } from "hono/validator";
import type { z } from "zod";
import { parseFields } from "../core/parse-fields.ts";

/** Checks the body of a request, which must be JSON: what a form of another site sends is not. */
export function jsonBody<T extends z.ZodType>(schema: T) {
  return validator("json", (value): z.output<T> => parseFields(schema, value, "The request"));
}
