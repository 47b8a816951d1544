/** @file Tensors that a device keeps in its own memory, so that they travel to it once and not at each run of a program. */

import { encodeOnnx } from "../graph/onnx.ts";
import { type DType, input, type TensorData } from "../graph/tensor.ts";
import { type AnyTensor, type DeviceTensor, type HostTensor, isOnDevice } from "./device.ts";
import { fromSession, type Session, type SessionTensor, toSession } from "./session.ts";

/** Makes sessions of models in ONNX. They are not released, since a device's tensors would go with them. */
export interface ResidentSessions {
  /** Its outputs stay on the device. */
  keep(model: Uint8Array): Promise<Session>;
  /** Its outputs go to JavaScript's memory. */
  fetch(model: Uint8Array): Promise<Session>;
}

export interface ResidentTensors {
  /**
   * A tensor as programs take it: one whose values never change, or that is on the device already, as one of the device; others as they
   * are. Constants go when their values do.
   */
  place(tensor: AnyTensor): Promise<SessionTensor>;
  /** What a program left on the device. Its values are read by a session, since asking for them ends ONNX Runtime's process in Node.js. */
  hold(tensor: SessionTensor): DeviceTensor;
}

/** @param prepare makes of each tensor, constant or not, the one that is given in its place. Default: it stays */
export function createResidentTensors(
  { keep, fetch }: ResidentSessions,
  prepare: (tensor: HostTensor) => HostTensor = (tensor) => tensor,
): ResidentTensors {
  const kept = new WeakMap<TensorData, Promise<SessionTensor>>();
  const held = new WeakMap<DeviceTensor, SessionTensor>();
  const unneeded = new FinalizationRegistry<SessionTensor>((tensor) => tensor.dispose?.());
  const keeping = createCopiers(keep);
  const fetching = createCopiers(fetch);
  const upload = async (tensor: HostTensor): Promise<SessionTensor> => {
    const prepared = prepare(tensor);
    const there = await keeping(prepared.dtype, toSession(prepared));
    unneeded.register(tensor.data, there);
    return there;
  };
  return {
    async place(tensor) {
      if (isOnDevice(tensor)) return held.get(tensor)!;
      // The package knows no int8 tensors on devices.
      if (!tensor.isConstant || tensor.dtype === "int8") return toSession(prepare(tensor));
      const known = kept.get(tensor.data) ?? upload(tensor);
      kept.set(tensor.data, known);
      return known;
    },
    hold(tensor) {
      const dtype = tensor.type as DType;
      const holder: DeviceTensor = {
        dtype,
        dims: tensor.dims,
        read: async () => fromSession(await fetching(dtype, tensor)),
        dispose: () => tensor.dispose!(),
      };
      held.set(holder, tensor);
      return holder;
    },
  };
}

/** Copies tensors by sessions, of which there is one for each type of element. */
function createCopiers(create: (model: Uint8Array) => Promise<Session>) {
  const sessions = new Map<DType, Promise<Session>>();
  return async (dtype: DType, x: SessionTensor): Promise<SessionTensor> => {
    const session = sessions.get(dtype) ?? create(encodeOnnx({ y: input("x", dtype, ["N"]) }).model);
    sessions.set(dtype, session);
    return (await (await session).run({ x })).y!;
  };
}
