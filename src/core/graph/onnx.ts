/** @file Encodes a graph as an ONNX model (the protobuf format of onnx.proto). */

import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts";
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
  const initializers = new Map<string, ReturnType<typeof encodeConstant>>();
  const nodes = [];

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
      const initializer = initializers.get(key) ?? encodeConstant(name, tensor);
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
    nodes.push(
      create(NodeProtoSchema, {
        opType: node.operator.onnx.type,
        domain: node.operator.onnx.domain ?? "",
        input: node.inputs.map(nameOf),
        output: node.outputs.map(nameOf),
        attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
      }),
    );
  }
  for (const [from, to] of copies) {
    nodes.push(create(NodeProtoSchema, { opType: "Identity", input: [nameOf(from)], output: [to] }));
  }

  // A constant that is an input as well is a default that could change, so no shapes are inferred from it.
  const defaults = [...initializers.values()].filter(({ dataType }) => dataType === onnxDataType.int64);
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "slimtune",
    opsetImport: [
      { domain: "", version: 21n },
      { domain: "com.microsoft", version: 1n },
    ],
    graph: create(GraphProtoSchema, {
      name: "slimtune",
      node: nodes,
      initializer: [...initializers.values()],
      input: [
        ...[...inputs].map(([name, { dtype }]) => encodeValueInfo(name, onnxDataType[dtype])),
        ...defaults.map(({ name, dataType }) => encodeValueInfo(name, dataType)),
      ],
      output: Object.entries(outputs).map(([name, { dtype }]) => encodeValueInfo(name, onnxDataType[dtype])),
    }),
  });
  return { model: toBinary(ModelProtoSchema, model), inputs: [...inputs.keys()] };
}

/** The tensor that holds the value: stand-ins do not exist in ONNX. */
function resolve(tensor: Tensor): Tensor {
  const { source } = tensor;
  if (source.kind !== "node" || !source.node.standsFor) return tensor;
  return resolve(source.node.standsFor[source.index]!);
}

function encodeConstant(name: string, { dtype, shape, source }: Tensor) {
  if (source.kind !== "constant") throw new Error("Only a constant can be an initializer.");
  const { data } = source;
  return create(TensorProtoSchema, {
    name,
    dataType: onnxDataType[dtype],
    dims: shape.map((dim) => BigInt(dim)),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
}

function encodeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "string") {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if (typeof value !== "number") {
    return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  }
  if (floatAttributes.has(name))
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
  return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}

/** A tensor without a shape; see docs/decisions/shape-inference.md. */
function encodeValueInfo(name: string, elemType: number) {
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType } } },
  });
}
