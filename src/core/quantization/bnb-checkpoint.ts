/** @file NF4 weights of checkpoints that Transformers saved with bitsandbytes. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { quote, type WeightFile } from "../formats/weight-file.ts";
import { dequantizeStatistics, NF4_BLOCK_SIZE, NF4_CODE, type NF4Tensor } from "./nf4.ts";

const statisticsBlockSize = 256;
const mapLength = 256;
/** A real state has some 200 bytes. */
const maxStateBytes = 65_536;

const stateSchema = z.object({
  quant_type: z.string(),
  blocksize: z.int(),
  shape: z.array(z.int().min(0)).max(8),
  nested_blocksize: z.int().optional(),
  nested_offset: z.number().optional(),
});

const partName =
  /^(.+)\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(?:nf4|fp4))$/;

/** The quantized weight that the tensor `name` is a part of, besides its codes. */
export function quantizedWeightOf(name: string): string | undefined {
  return partName.exec(name)?.[1];
}

/**
 * Reads a weight that is stored in NF4. Beside its codes stand its scales, `<name>.absmax`, the values of the codes,
 * `<name>.quant_map`, and the rest as JSON, `<name>.quant_state.bitsandbytes__nf4`; with double quantization the
 * scales are codes into `<name>.nested_quant_map`, scaled by `<name>.nested_absmax`. Scales are dequantized, so the
 * result has no `nested`.
 *
 * Layout: `QuantState.as_dict(packed=True)` of bitsandbytes 0.50.
 *
 * @returns the weight and its shape, or undefined if it is not quantized.
 * @throws InputError if it is quantized in another way (FP4, other blocks, other values), or its parts do not fit.
 */
export async function readBnbNF4(
  file: WeightFile,
  name: string,
): Promise<(NF4Tensor & { shape: readonly number[] }) | undefined> {
  const refuse = (reason: string): never => {
    throw new InputError(
      `${file.path}: the quantized tensor ${quote(name)} ${reason}; load the unquantized model, or one in bitsandbytes' NF4.`,
    );
  };
  const stateName = `${name}.quant_state.bitsandbytes__nf4`;
  if (!file.tensors.has(stateName)) {
    if (file.tensors.has(`${name}.quant_state.bitsandbytes__fp4`)) refuse("is in FP4");
    if (file.tensors.has(`${name}.absmax`)) refuse("lacks its quant_state");
    return undefined;
  }

  const sizeOf = (part: string): number =>
    file.tensors.get(part)?.byteLength ?? refuse(`lacks ${quote(part)}`);
  /** The name of a part that has `length` elements of `dtype`. */
  const expectPart = (part: string, dtype: "U8" | "F32", length: number): string => {
    const needed = length * (dtype === "U8" ? 1 : 4);
    if (sizeOf(part) !== needed || file.tensors.get(part)?.dtype !== dtype) {
      refuse(`has ${quote(part)} of another type or size than its ${needed} bytes of ${dtype}`);
    }
    return part;
  };
  const bytesOf = async (part: string, length: number) => file.readBytes(expectPart(part, "U8", length));
  const floatsOf = async (part: string, length: number) => file.readFloat32(expectPart(part, "F32", length));

  const stateBytes = sizeOf(stateName);
  if (stateBytes > maxStateBytes) refuse(`has a quant_state of ${stateBytes} bytes`);
  const state = parseState(await bytesOf(stateName, stateBytes)) ?? refuse("has a damaged quant_state");
  if (state.quant_type !== "nf4") refuse(`is in ${quote(state.quant_type)}`);
  if (state.blocksize !== NF4_BLOCK_SIZE) refuse(`has blocks of ${state.blocksize} instead of 64`);
  const elements = state.shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements) || elements % NF4_BLOCK_SIZE !== 0) {
    refuse(`has the shape [${state.shape.join(", ")}], which is no whole number of blocks`);
  }
  const values = await floatsOf(`${name}.quant_map`, NF4_CODE.length);
  if (!values.every((value, code) => value === NF4_CODE[code])) {
    refuse("has a quant_map that is not NF4's");
  }

  const codes = await bytesOf(name, elements / 2);
  const blocks = elements / NF4_BLOCK_SIZE;
  if (!file.tensors.has(`${name}.nested_absmax`)) {
    return { codes, absmax: await floatsOf(`${name}.absmax`, blocks), shape: state.shape };
  }
  if (state.nested_blocksize !== statisticsBlockSize) {
    refuse(`has nested blocks of ${state.nested_blocksize} instead of ${statisticsBlockSize}`);
  }
  const nested = {
    codes: await bytesOf(`${name}.absmax`, blocks),
    absmax: await floatsOf(`${name}.nested_absmax`, Math.ceil(blocks / statisticsBlockSize)),
    offset: state.nested_offset ?? refuse("lacks its nested_offset"),
  };
  const map = await floatsOf(`${name}.nested_quant_map`, mapLength);
  return { codes, absmax: dequantizeStatistics(nested, map), shape: state.shape };
}

function parseState(bytes: Uint8Array): z.infer<typeof stateSchema> | undefined {
  try {
    return stateSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}
