/** @file Encodes a graph as an ONNX model (the protobuf format of onnx.proto). */

import {
  type AttributeProto,
  attributeTypes,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./onnx-messages.ts";
import { onnxDataType } from "./operators/elementwise.ts";
import { type AttributeValue, sortTopologically, type Tensor } from "./tensor.ts";

/** Attributes that ONNX types as float although their value may be whole. */
const floatAttributes = new Set(["alpha", "epsilon"]);

/**
 * Encodes what is needed to compute `outputs`; the inputs are found on the way.
 *
 * @returns the model's bytes and the names of its inputs, in the order in which they occur
 */
export function encodeOnnx(outputs: Readonly<Record<string, Tensor>>): {
  model: Uint8Array;
  inputs: string[];
} {
  const names = new Map<Tensor, string>();
  const inputs = new Map<string, Tensor>();
  /** Equal shapes and axes are one initializer. */
  const initializers = new Map<string, ReturnType<typeof describeConstant>>();
  const nodes: NodeProto[] = [];

  const nameOf = (value: Tensor): string => {
    const tensor = resolve(value);
    const known = names.get(tensor);
    if (known !== undefined) return known;
    const name = createName(tensor);
    names.set(tensor, name);
    return name;
  };
  const createName = (tensor: Tensor): string => {
    const { source } = tensor;
    if (source.kind === "input") {
      const other = inputs.get(source.name);
      if (other && other !== tensor) throw new Error(`Two inputs of the graph are named "${source.name}".`);
      inputs.set(source.name, tensor);
      return source.name;
    }
    if (source.kind === "constant") {
      const name = `constant_${initializers.size}`;
      const key = tensor.dtype === "int64" ? `[${tensor.shape}] ${source.data}` : name;
      const initializer = initializers.get(key) ?? describeConstant(name, tensor);
      initializers.set(key, initializer);
      return initializer.name;
    }
    return `value_${names.size}`;
  };
  const copies: [from: Tensor, to: string][] = [];
  for (const [name, output] of Object.entries(outputs)) {
    const tensor = resolve(output);
    // An input, a constant or a value that is an output already has its own name, and is copied to a second one.
    if (tensor.source.kind !== "node" || names.has(tensor)) copies.push([tensor, name]);
    else names.set(tensor, name);
  }

  for (const node of sortTopologically(Object.values(outputs))) {
    if (!node.operator.onnx) continue;
    nodes.push({
      opType: node.operator.onnx.type,
      domain: node.operator.onnx.domain ?? "",
      input: node.inputs.map(nameOf),
      output: node.outputs.map(nameOf),
      attribute: Object.entries(node.attributes).map(([name, value]) => describeAttribute(name, value)),
    });
  }
  for (const [from, to] of copies) {
    nodes.push({ opType: "Identity", input: [nameOf(from)], output: [to] });
  }

  // A constant that is an input as well is a default that could change, so no shapes are inferred from it.
  const defaults = [...initializers.values()].filter(({ dataType }) => dataType === onnxDataType.int64);
  const model = encodeModel({
    irVersion: 10,
    producerName: "slimtune",
    opsetImport: [
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "slimtune",
      node: nodes,
      initializer: [...initializers.values()],
      input: [
        ...[...inputs].map(([name, { dtype }]) => describeValue(name, onnxDataType[dtype])),
        ...defaults.map(({ name, dataType }) => describeValue(name, dataType)),
      ],
      output: Object.entries(outputs).map(([name, { dtype }]) => describeValue(name, onnxDataType[dtype])),
    },
  });
  return { model, inputs: [...inputs.keys()] };
}

/** The tensor that holds the value: stand-ins do not exist in ONNX. */
function resolve(tensor: Tensor): Tensor {
  const { source } = tensor;
  if (source.kind !== "node" || !source.node.standsFor) return tensor;
  return resolve(source.node.standsFor[source.index]!);
}

function describeConstant(name: string, { dtype, shape, source }: Tensor) {
  if (source.kind !== "constant") throw new Error("Only a constant can be an initializer.");
  const { data } = source;
  return {
    name,
    dataType: onnxDataType[dtype],
    dims: shape.map(Number),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  } satisfies TensorProto;
}

function describeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "string")
    return { name, type: attributeTypes.STRING, s: new TextEncoder().encode(value) };
  if (typeof value !== "number") return { name, type: attributeTypes.INTS, ints: value };
  if (floatAttributes.has(name)) return { name, type: attributeTypes.FLOAT, f: value };
  return { name, type: attributeTypes.INT, i: value };
}

/** A tensor without a shape; see docs/decisions/shape-inference.md. */
function describeValue(name: string, elemType: number): ValueInfoProto {
  return { name, type: { tensorType: { elemType } } };
}
