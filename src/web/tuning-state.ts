/** @file From where a tuning in a browser goes on: what the page stores, since a tab may be closed at any time. */

import * as z from "zod";
import { type Parameters, trainedOf } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { parseFields } from "../core/parse-fields.ts";
import type { Progress, TrainingState } from "../core/training/loop.ts";

const tensors = z.map(z.string(), z.instanceof(Float32Array));

const stateSchema = z.strictObject({
  options: z.looseObject({}),
  model: z.string(),
  data: z.string(),
  progress: z.looseObject({ step: z.int().min(0) }),
  parameters: tensors,
  expAvg: tensors,
  expAvgSq: tensors,
  best: tensors.nullable(),
});

/**
 * A tuning after a whole step. It is an object that a page stores as it is, in IndexedDB for one, and {@link resumeTuning} takes; its
 * tensors are trained values by name, of 4 bytes each, three or four times as many as are trained.
 */
export interface TuningState {
  /** Complete. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The base model's fingerprint, and the SHA-256 of the examples' tokens. */
  readonly model: string;
  readonly data: string;
  readonly progress: Progress;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** AdamW's running means. */
  readonly expAvg: ReadonlyMap<string, Float32Array>;
  readonly expAvgSq: ReadonlyMap<string, Float32Array>;
  /** The trained tensors of the best evaluation, where there was one. */
  readonly best: ReadonlyMap<string, Float32Array> | null;
}

/** @throws InputError if it is none. */
export function checkState(state: unknown): TuningState {
  return parseFields(stateSchema, state, "The state") as unknown as TuningState;
}

export type Values = ReadonlyMap<string, Float32Array>;

/** The values of what is trained, as they are now. */
export function copyValues(parameters: Parameters): Values {
  return new Map([...trainedOf(parameters)].map(([name, { data }]) => [name, data.slice()]));
}

/** The moments, as they are now. */
export function copyMoments({ moments }: TrainingState): Pick<TuningState, "expAvg" | "expAvgSq"> {
  const copy = (values: Values) => new Map([...values].map(([name, data]) => [name, data.slice()]));
  return { expAvg: copy(moments.expAvg), expAvgSq: copy(moments.expAvgSq) };
}

/** Puts a state's values in place. @throws InputError if they are of other tensors. */
export function restore({ parameters, moments }: TrainingState, state: TuningState): void {
  for (const [name, { data }] of trainedOf(parameters)) {
    write(state.parameters, name, data);
    write(state.expAvg, name, moments.expAvg.get(name)!);
    write(state.expAvgSq, name, moments.expAvgSq.get(name)!);
  }
}

/** Puts values of tensors in place. @throws InputError if they are of others. */
export function restoreValues(parameters: Parameters, values: Values): void {
  for (const [name, { data }] of trainedOf(parameters)) write(values, name, data);
}

function write(values: Values, name: string, into: Float32Array): void {
  const given = values.get(name);
  if (given?.length !== into.length)
    throw new InputError(`The state lacks values of "${name}", or has others than this model; begin anew.`);
  into.set(given);
}
