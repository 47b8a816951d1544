/** @file A model behind OpenAI's HTTP interface: `slimtune/server`. */

export { isLoopback } from "./access.ts";
export type { EngineOptions } from "./engine-process.ts";
export { EngineLostError } from "./remote-generator.ts";
export { type ModelServer, type ServeOptions, serveModel } from "./serve.ts";
