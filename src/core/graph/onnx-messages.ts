/** @file The messages of onnx.proto that a graph needs, encoded by protobuf's own writer; see docs/decisions/onnx-encoding.md. */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

type Scalar = "string" | "bytes" | "int32" | "int64" | "float";

/** A message's fields, by their numbers. */
interface Message {
  readonly [name: string]: readonly [number: number, type: Scalar | Message];
}

type Value<Type> = Type extends "string"
  ? string
  : Type extends "bytes"
    ? Uint8Array
    : Type extends Scalar
      ? number
      : Values<Type>;

/** What a message's fields hold; a repeated one has a list. */
export type Values<Fields> = {
  readonly [Name in keyof Fields]?: Fields[Name] extends readonly [number, infer Type]
    ? Value<Type> | readonly Value<Type>[]
    : never;
};

/** AttributeProto.AttributeType. */
export const attributeTypes = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 } as const;

const attribute = {
  name: [1, "string"],
  f: [2, "float"],
  i: [3, "int64"],
  s: [4, "bytes"],
  ints: [8, "int64"],
  type: [20, "int32"],
} as const;

const node = {
  input: [1, "string"],
  output: [2, "string"],
  opType: [4, "string"],
  attribute: [5, attribute],
  domain: [7, "string"],
} as const;

const tensor = {
  dims: [1, "int64"],
  dataType: [2, "int32"],
  name: [8, "string"],
  rawData: [9, "bytes"],
} as const;

const valueInfo = {
  name: [1, "string"],
  type: [2, { tensorType: [1, { elemType: [1, "int32"] }] }],
} as const;

const graph = {
  node: [1, node],
  name: [2, "string"],
  initializer: [5, tensor],
  input: [11, valueInfo],
  output: [12, valueInfo],
} as const;

const model = {
  irVersion: [1, "int64"],
  producerName: [2, "string"],
  graph: [7, graph],
  opsetImport: [8, { domain: [1, "string"], version: [2, "int64"] }],
} as const;

export type AttributeProto = Values<typeof attribute>;
export type NodeProto = Values<typeof node>;
export type TensorProto = Values<typeof tensor>;
export type ValueInfoProto = Values<typeof valueInfo>;
export type ModelProto = Values<typeof model>;

export function encodeModel(values: ModelProto): Uint8Array {
  const writer = new BinaryWriter();
  writeMessage(writer, model, values);
  return writer.finish();
}

const wireTypes = {
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  int32: WireType.Varint,
  int64: WireType.Varint,
  float: WireType.Bit32,
} as const;

function writeMessage(writer: BinaryWriter, message: Message, values: Values<Message>): void {
  for (const [name, [number, type]] of Object.entries(message)) {
    const given = values[name] ?? [];
    for (const value of Array.isArray(given) ? given : [given]) {
      if (typeof type === "string") {
        writer.tag(number, wireTypes[type]);
        (writer[type] as (value: unknown) => BinaryWriter)(value);
      } else {
        writer.tag(number, WireType.LengthDelimited).fork();
        writeMessage(writer, type, value);
        writer.join();
      }
    }
  }
}
