/** @file The models of a study of aptitude: what each is tuned on, and how. */

import type { AptitudeConfig } from "./options.ts";

/** What decides in which manners a model is tuned on the queries. */
export type Lesson =
  | { readonly by: "manner"; readonly manners: readonly ("words" | "program")[] }
  | { readonly by: "aptitude"; readonly decision: string }
  | { readonly by: "chance"; readonly draw: number };

export interface TunedModel {
  /** For folders, and for options of its run. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly lesson: Lesson;
}

/** The run that comes before all others, if models are to learn first to follow an example. */
export const warmUpId = "warm-up";

/** The best decision's model, as it is asked. */
export const chosenId = "tata";

/** In the order in which they are tuned. */
export function listModels({
  decisions,
  random_draws,
}: Pick<AptitudeConfig, "decisions" | "random_draws">): TunedModel[] {
  return [
    { id: "words", name: "words only (CoT)", lesson: { by: "manner", manners: ["words"] } },
    { id: "programs", name: "programs only (TIR)", lesson: { by: "manner", manners: ["program"] } },
    { id: "both", name: "both (CoT+TIR)", lesson: { by: "manner", manners: ["words", "program"] } },
    ...decisions.map(
      (decision): TunedModel => ({
        id: `${chosenId}-${decision.replace(":", "-")}`,
        name: `TATA ${decision}`,
        lesson: { by: "aptitude", decision },
      }),
    ),
    ...Array.from({ length: random_draws }, (_, i): TunedModel => {
      const draw = i + 1;
      return { id: `random-${draw}`, name: `random choice ${draw}`, lesson: { by: "chance", draw } };
    }),
  ];
}

/** The options of a model's run, but for where its data and its model are. */
export function runOptionsOf({ run, runs }: AptitudeConfig, id: string): Record<string, unknown> {
  return { objective: "sft", ...run, ...(Object.hasOwn(runs, id) ? runs[id] : {}) };
}
