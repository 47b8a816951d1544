/** @file Checks of what files of strangers hold, with one sentence for the first thing that is wrong. */

import type { z } from "zod";
import { InputError } from "../errors.ts";

/**
 * @param where names the file, and the place in it, in errors.
 * @throws InputError if the value does not have the schema's form.
 */
export function parseFields<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const result = schema.safeParse(value, {
    error: ({ code, input }) =>
      code === "invalid_type" && input === undefined ? "it is missing" : undefined,
  });
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const of = path ? ` in ${path}` : "";
    throw new InputError(
      `${where}: the field ${issue.keys.join(", ")}${of} is not supported; leave it out, or see the documentation.`,
    );
  }
  throw new InputError(`${where}: ${path ? `${path}: ` : ""}${issue.message.replace(/\.?$/, ".")}`);
}
