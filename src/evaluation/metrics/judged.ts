/** @file What a function says of generated answers, which a task of the user names or brings. */

import { z } from "zod";
import type { Doc } from "../task.ts";
import { mean } from "./aggregations.ts";
import type { Metric } from "./metric.ts";

/** Says how good an answer is, from 0 to 1. */
export type Judge = (answer: string, target: string, doc: Doc) => number;

const judges = {
  /** Whether the last number in the answer is the last in the target: "so 1,200.0" equals "#### 1200". */
  same_number: (answer, target) => {
    const number = lastNumber(answer);
    return Number(number !== undefined && number === lastNumber(target));
  },
  /** Whether the target stands somewhere in the answer, in capitals or not. */
  contains_target: (answer, target) => Number(answer.toLowerCase().includes(target.toLowerCase())),
} satisfies Readonly<Record<string, Judge>>;

export const judged: Metric<{ readonly judge: keyof typeof judges | Judge }> = {
  aggregation: mean,
  higherIsBetter: true,
  settings: { judge: z.enum(Object.keys(judges)) },
  score: {
    generate_until: ({ answer, target, doc }, { judge }) =>
      (typeof judge === "string" ? judges[judge] : judge)(answer, target, doc),
  },
};

function lastNumber(text: string): number | undefined {
  const last = text.match(/-?\d[\d,]*(?:\.\d+)?|-?\.\d+/g)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(",", ""));
}
