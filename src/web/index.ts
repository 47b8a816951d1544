/** @file Tuning and writing in a browser, in a tab or a worker: `slimtune/web`. It needs the package onnxruntime-web. */

export type { MethodName } from "../core/adapters/methods.ts";
export { type GenerateOptions, generate } from "../core/decoding/generate.ts";
export { InputError } from "../core/errors.ts";
export type { ByteSource, SourceFolder } from "../core/formats/byte-source.ts";
export type {
  AnyTensor,
  Device,
  DeviceOperations,
  DeviceTensor,
  HostTensor,
  Program,
} from "../core/runtime/device.ts";
export { blobFolder, blobSource, openUrl, urlFolder } from "./byte-sources.ts";
export { DeviceLostError, openWebDevice, type WebDeviceName } from "./device.ts";
export type { ExampleRow } from "./examples.ts";
export { openWebModel } from "./open-model.ts";
export { resumeTuning, type TuneEvents, type TuneResult, tune } from "./tune.ts";
export type { TuneOptions } from "./tune-options.ts";
export type { TuningState } from "./tuning-state.ts";
export { connectWorker, type TuningWorker } from "./worker-client.ts";
export { hostWorker } from "./worker-host.ts";
export type { MessageLine, WritingOptions } from "./worker-messages.ts";
