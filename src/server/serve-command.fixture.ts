/** @file `slimtune serve` as the built command (npm test builds it first): the engine's process is one of built files. */

import { spawn } from "node:child_process";
import process from "node:process";
import { vi } from "vitest";

export interface ServedModel {
  /** For clients: "http://127.0.0.1:<port>/v1". */
  readonly baseURL: string;
  stop(): void;
}

/** Serves a model at a free port, with further options. */
export async function serveModel(model: string, ...options: readonly string[]): Promise<ServedModel> {
  const words = ["bin/slimtune.js", "serve", "--port", "0", "--model", model, ...options];
  const server = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  server.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const baseURL = await vi.waitFor(() => /at (http:\S+\/v1);/.exec(output)![1]!, { timeout: 20_000 });
  return { baseURL, stop: () => void server.kill("SIGKILL") };
}
