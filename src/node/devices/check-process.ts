/** @file The program in which a device is checked: a driver that fails may end its process. */

import process from "node:process";
import { InputError } from "../../core/errors.ts";
import { type DeviceName, openDevice } from "../runtime/onnx-runtime.ts";
import type { CheckMessage } from "./checked-devices.ts";
import { tryDevice } from "./device-check.ts";

const send = (message: CheckMessage) =>
  new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));
process.on("disconnect", () => process.exit());

try {
  const device = openDevice(process.argv[2] as DeviceName);
  await send({
    type: "checked",
    check: await tryDevice(device, (stage) => void send({ type: "stage", stage })),
  });
} catch (error) {
  const { message } = error as Error;
  await send({ type: error instanceof InputError ? "absent" : "failed", message });
}
process.disconnect();
