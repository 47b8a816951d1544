/** @file What a browser adds to the core: `slimtune/web`. It needs the package onnxruntime-web. */

export type { ByteSource, SourceFolder } from "../core/formats/byte-source.ts";
export type {
  AnyTensor,
  Device,
  DeviceOperations,
  DeviceTensor,
  HostTensor,
  Program,
} from "../core/runtime/device.ts";
export { blobFolder, blobSource, openUrl } from "./byte-sources.ts";
export { openWebDevice, type WebDeviceName } from "./device.ts";
