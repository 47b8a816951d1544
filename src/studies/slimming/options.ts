/** @file The options of a slimming study, and of one that compares methods. */

import { z } from "zod";
import type { MethodName } from "../../core/adapters/methods.ts";
import { neutralText } from "../grid/divergence.ts";
import { gridOptions } from "../grid/options.ts";

/** @param methods what is compared by default */
export function slimmingOptions<Name extends "slimming" | "methods">(kind: Name, methods: MethodName[]) {
  return z.strictObject({
    kind: z.literal(kind),
    ...gridOptions,
    methods: gridOptions.methods.default(methods),
    alignment_samples: z
      .int()
      .min(1)
      .default(64)
      .describe("examples of each set, and items of each task, from which alignment is measured"),
    neutral_text: neutralText,
  });
}

export type SlimmingConfig = z.output<ReturnType<typeof slimmingOptions>>;
