/** @file The kinds of studies by name. */

import { aptitude } from "./aptitude/aptitude.ts";
import { causal } from "./causal/causal.ts";
import { federated } from "./federated/federated.ts";
import { reasoning } from "./reasoning/reasoning.ts";
import { seeds } from "./seeds.ts";
import { methods, slimming } from "./slimming/slimming.ts";
import type { StudyKind } from "./study-kind.ts";

export const studyKinds = {
  slimming,
  methods,
  seeds,
  reasoning,
  aptitude,
  causal,
  federated,
} as const satisfies Record<string, StudyKind>;

export type StudyKindName = keyof typeof studyKinds;

/** What a kind of study finds. */
export type StudyResultsOf<Kind extends StudyKindName> = ReturnType<
  (typeof studyKinds)[Kind]["results"]["parse"]
>;

export const studyKindNames = Object.keys(studyKinds) as [StudyKindName, ...StudyKindName[]];

/** A kind of which nothing is known but what all have. */
export function kindOf({ kind }: { readonly kind: string }): StudyKind {
  return studyKinds[kind as StudyKindName];
}
