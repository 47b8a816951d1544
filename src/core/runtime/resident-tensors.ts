/** @file Tensors that a device keeps in its own memory, so that they travel to it once and not at each run of a program. */

import { encodeOnnx } from "../graph/onnx.ts";
import { type DType, input, type TensorData } from "../graph/tensor.ts";
import type { HostTensor } from "./device.ts";
import { type Session, type SessionTensor, toSession } from "./session.ts";

/**
 * Gives tensors as programs take them: those whose values never change as ones of the device, which go when their values do; others as
 * they are. A tensor of the device can be given to every program of the device, but its values cannot be asked for:
 * ONNX Runtime's package for Node.js ends the process then.
 *
 * @param create makes a session whose outputs stay on the device. It is not released, since its tensors would go with it
 * @param prepare makes of each tensor, constant or not, the one that is given in its place. Default: it stays
 */
export function createResidentTensors(
  create: (model: Uint8Array) => Promise<Session>,
  prepare: (tensor: HostTensor) => HostTensor = (tensor) => tensor,
): (tensor: HostTensor) => Promise<SessionTensor> {
  const sessions = new Map<DType, Promise<Session>>();
  const kept = new WeakMap<TensorData, Promise<SessionTensor>>();
  const unneeded = new FinalizationRegistry<SessionTensor>((tensor) => tensor.dispose?.());
  const open = (dtype: DType) => {
    const session = sessions.get(dtype) ?? create(encodeOnnx({ y: input("x", dtype, ["N"]) }).model);
    sessions.set(dtype, session);
    return session;
  };
  const upload = async (tensor: HostTensor): Promise<SessionTensor> => {
    const prepared = prepare(tensor);
    const session = await open(prepared.dtype);
    const { y } = await session.run({ x: toSession(prepared) });
    unneeded.register(tensor.data, y!);
    return y!;
  };
  return async (tensor) => {
    // The package knows no int8 tensors on devices.
    if (!tensor.isConstant || tensor.dtype === "int8") return toSession(prepare(tensor));
    const known = kept.get(tensor.data) ?? upload(tensor);
    kept.set(tensor.data, known);
    return known;
  };
}
