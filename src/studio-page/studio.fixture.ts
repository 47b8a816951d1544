/** @file For tests: the built studio (npm test builds it first) over a folder, and a browser that looks at it. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type Browser, chromium as engine } from "playwright-core";
import { vi } from "vitest";
import { chromium } from "../reporting/headless-browser.fixture.ts";

export { chromium };

export interface RunningStudio {
  /** To be opened, with its token. */
  readonly address: string;
  /** Without the token. */
  readonly origin: string;
  /** Ends it at once, as if the machine had; or in order. */
  end(signal: "SIGKILL" | "SIGINT"): Promise<void>;
}

/** Starts `slimtune studio` over a folder. */
export async function startStudio(folder: string, port = 0): Promise<RunningStudio> {
  const words = ["bin/slimtune.js", "studio", folder, "--no-open", "--port", String(port)];
  const studio = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  studio.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const address = await vi.waitFor(() => /(http:\S+token=[\w-]+)/.exec(output)![1]!, { timeout: 20_000 });
  return {
    address,
    origin: new URL(address).origin,
    async end(signal) {
      const ended = studio.exitCode !== null || studio.signalCode !== null || once(studio, "exit");
      studio.kill(signal);
      await ended;
    },
  };
}

/** Runs a command of slimtune to its end. */
export async function runCommand(...words: readonly string[]): Promise<void> {
  const command = spawn(process.execPath, ["bin/slimtune.js", ...words], { stdio: "ignore" });
  const [status] = await once(command, "exit");
  if (status !== 0) throw new Error(`slimtune ${words.join(" ")} ended with ${status}.`);
}

export function openBrowser(): Promise<Browser> {
  return engine.launch({ executablePath: chromium!, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
