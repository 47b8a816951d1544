/** @file Programs as sessions of ONNX Runtime, whose packages for Node.js and for browsers are alike. */

import { type LoweringRules, lower } from "../graph/lowering/lower.ts";
import { encodeOnnx } from "../graph/onnx.ts";
import type { DType, Tensor, TensorData } from "../graph/tensor.ts";
import type { AnyTensor, DeviceTensor, HostTensor, Program } from "./device.ts";

/** A tensor as the packages give and take it. */
export interface SessionTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
  /** Frees the memory of one on a device, which nothing else does. */
  dispose?(): void;
}

/** What is used of the packages' `InferenceSession`. */
export interface Session {
  run(feeds: Record<string, SessionTensor>): Promise<Readonly<Record<string, SessionTensor>>>;
  release(): Promise<void>;
}

/** Options of all sessions. */
export const sessionOptions = {
  interOpNumThreads: 1,
  executionMode: "sequential",
  // Patterns are kept per shape and grow with every new sequence length.
  enableMemPattern: false,
  // The graphs are built in the form in which they shall run; see docs/decisions/graph-optimization.md.
  graphOptimizationLevel: "disabled",
  extra: {
    session: {
      // The softmax of masked scores leaves denormals, which slow down all that is computed with them.
      set_denormal_as_zero: "1",
      // Each program has threads of its own, which otherwise wait actively while the next program runs.
      force_spinning_stop: "1",
    },
  },
  logSeverityLevel: 3,
} as const;

/** How a device differs from the CPU. */
export interface CompileOptions {
  /** What graphs are rewritten by. Default: nothing, so that they are encoded as they are. */
  readonly rules?: LoweringRules;
  /** Makes an input a session's tensor. Default: one in the memory where it is. */
  readonly place?: (tensor: AnyTensor) => Promise<SessionTensor>;
  /** Which outputs the session leaves on the device. Default: none. */
  readonly keeps?: (name: string) => boolean;
  /** Makes an output that was left there a tensor. */
  readonly hold?: (tensor: SessionTensor) => DeviceTensor;
}

/**
 * Compiles the graph that computes `outputs`.
 *
 * @param create makes a session of a model in ONNX
 */
export async function compileProgram<Result extends AnyTensor = HostTensor>(
  outputs: Readonly<Record<string, Tensor>>,
  create: (model: Uint8Array) => Promise<Session>,
  {
    rules = {},
    place = async (tensor) => toSession(tensor as HostTensor),
    keeps = () => false,
    hold,
  }: CompileOptions = {},
): Promise<Program<Result>> {
  const { model, inputs: inputNames } = encodeOnnx(lower(outputs, rules));
  const session = await create(model);
  return {
    inputNames,
    async run(inputs) {
      const feeds: Record<string, SessionTensor> = {};
      for (const name of inputNames) {
        const tensor = inputs[name];
        if (!tensor) throw new Error(`The program's input "${name}" is missing.`);
        feeds[name] = await place(tensor);
      }
      const fetched = await session.run(feeds);
      const results: Record<string, AnyTensor> = {};
      for (const name of Object.keys(outputs))
        results[name] = keeps(name) ? hold!(fetched[name]!) : fromSession(fetched[name]!);
      return results as Record<string, Result>;
    },
    release: () => session.release(),
  };
}

/**
 * Half-precision numbers are Uint16Arrays here. Where JavaScript has Float16Arrays the packages' own class makes one of them, of
 * which the binding takes the size for 0, so that tensors are given past it; see docs/decisions/half-precision-arrays.md.
 */
export function toSession({ dtype, dims, data }: HostTensor): SessionTensor & { readonly location: "cpu" } {
  return { type: dtype, dims, data, location: "cpu" };
}

export function fromSession({ type, dims, data }: SessionTensor): HostTensor {
  const bits = type === "float16" ? bitsOf(data as ArrayBufferView) : data;
  return { dtype: type as DType, dims, data: bits as TensorData };
}

function bitsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint16Array {
  return new Uint16Array(buffer, byteOffset, byteLength / Uint16Array.BYTES_PER_ELEMENT);
}
