/** @file Messages between a page and the worker that tunes for it. */

import type { GenerateOptions } from "../core/decoding/generate.ts";
import type { Failure } from "../core/failure.ts";
import type { Storage } from "../core/models/linear.ts";
import type { EvaluationMetrics, StepMetrics } from "../core/training/loop.ts";
import type { WebDeviceName } from "./device.ts";
import type { ExampleRow } from "./examples.ts";
import type { TuneEvents, TuneResult } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";
import type { TuningState } from "./tuning-state.ts";

/** What of writing's options a message carries. */
export type WritingOptions = Pick<GenerateOptions, "maxNewTokens" | "temperature" | "seed" | "stop" | "chat">;

/** What the page asks for, and what it gets; a worker does one thing after the other. */
export interface Requests {
  readonly open: {
    readonly given: {
      /** The address of a folder or of a GGUF file, or the files. */
      readonly model: string | readonly File[];
      readonly device: WebDeviceName;
      readonly storage: Storage;
    };
    readonly result: undefined;
  };
  readonly tune: {
    readonly given: {
      readonly rows: readonly ExampleRow[];
      readonly options: TuneOptions;
      readonly state?: TuningState;
    };
    readonly result: Omit<TuneResult, "model">;
  };
  readonly write: {
    readonly given: {
      readonly prompt: string;
      /** Whether by the model as tuned last. */
      readonly isTuned: boolean;
      readonly options: WritingOptions;
    };
    readonly result: string;
  };
}

/** What the worker tells of the request `id`. */
export type Reply = { readonly id: number } & (
  | { readonly type: "plan"; readonly value: Parameters<NonNullable<TuneEvents["onPlan"]>>[0] }
  | { readonly type: "step"; readonly value: StepMetrics }
  | { readonly type: "evaluation"; readonly value: EvaluationMetrics }
  | { readonly type: "state"; readonly value: TuningState }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "done"; readonly value: unknown }
  | ({ readonly type: "failed" } & Failure)
);

/** A worker as the page sees it, or the page as the worker does: what of `Worker` and of a worker's `self` is used. */
export interface MessageLine {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}
