/** @file Reads what ONNX Runtime's profiles say: which operator ran where, for how long, and what was copied. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A type and the dims of a tensor, such as {"float": [2, 3]}. */
type TypeAndShape = Readonly<Record<string, readonly number[]>>;

/** An operator's run. */
export interface OperatorRun {
  /** The ONNX operator, or MemcpyToHost and MemcpyFromHost for a copy between devices. */
  readonly operator: string;
  /** Such as "CPUExecutionProvider". */
  readonly provider: string;
  readonly milliseconds: number;
  readonly inputs: readonly TypeAndShape[];
  readonly outputs: readonly TypeAndShape[];
  readonly outputBytes: number;
}

/** What is used of the events that ONNX Runtime writes. */
interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly provider?: string;
    readonly input_type_shape?: readonly TypeAndShape[];
    readonly output_type_shape?: readonly TypeAndShape[];
    readonly output_size?: string;
  };
}

/** A shader's run on a WebGPU device. */
export interface ShaderRun {
  /** The operator that it is of. */
  readonly operator: string;
  readonly milliseconds: number;
}

/** The operators' runs of each program whose profile is in a folder, in their order. On WebGPU their times are those of giving out the work. */
export function readProfiles(folder: string): OperatorRun[][] {
  return readEvents(folder).map((events) =>
    events
      .filter(({ cat, name }) => cat === "Node" && name.endsWith("kernel_time"))
      .map(({ dur, args }) => ({
        operator: args.op_name!,
        provider: args.provider!,
        milliseconds: dur / 1000,
        inputs: args.input_type_shape ?? [],
        outputs: args.output_type_shape ?? [],
        outputBytes: Number(args.output_size ?? 0),
      })),
  );
}

/** The shaders' runs of each program whose profile is in a folder; none of a device that cannot tell the time. */
export function readShaderRuns(folder: string): ShaderRun[][] {
  return readEvents(folder).map((events) =>
    events
      .filter(({ cat }) => cat === "Api")
      // Such as "/blocks/0&Gemm&Gemm": the node, its operator and the shader.
      .map(({ name, dur }) => ({ operator: name.split("&")[1] ?? name, milliseconds: dur / 1000 })),
  );
}

function readEvents(folder: string): TraceEvent[][] {
  return readdirSync(folder)
    .sort(new Intl.Collator("en", { numeric: true }).compare)
    .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as TraceEvent[]);
}
