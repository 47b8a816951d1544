/** @file A headless Chromium, driven by its DevTools protocol over pipes. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** Where Debian and others put it; undefined if it is not there. */
export const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

export interface BrowserPage {
  /** Calls a method of the DevTools protocol. */
  call(method: string, parameters?: object): Promise<Record<string, unknown>>;
  /** Goes to another page and waits until it is loaded. */
  navigate(url: string): Promise<void>;
  /** What an expression, or its promise, gives in the page, as JSON carries it. */
  evaluate(expression: string): Promise<unknown>;
  /** Lays the page out anew. */
  resize(width: number, height: number): Promise<void>;
  /** The most memory that the page's process has had so far, in bytes; on Linux. */
  peakBytes(): Promise<number>;
  /** All of the page as a PNG. */
  screenshot(): Promise<Buffer>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Opens a page and waits until it is loaded. */
export async function openPage(url: string): Promise<BrowserPage> {
  const profile = mkdtempSync(join(tmpdir(), "slimtune-chromium-"));
  const browser = spawn(
    chromium!,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      // WebGPU then has the software device.
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-dev-shm-usage",
      "--hide-scrollbars",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const input = browser.stdio[3] as Writable;
  const output = browser.stdio[4] as Readable;

  const waiting = new Map<
    number,
    { resolve: (value: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  const listeners = new Map<string, () => void>();
  let rest = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop()!;
    for (const { id, method, result, error } of messages.map((json) => JSON.parse(json) as Message)) {
      if (method !== undefined) listeners.get(method)?.();
      if (id === undefined) continue;
      if (error) waiting.get(id)?.reject(new Error(error.message));
      else waiting.get(id)?.resolve(result!);
      waiting.delete(id);
    }
  });
  const ended = new Promise<void>((resolve) => browser.once("exit", () => resolve()));
  void ended.then(() => {
    for (const { reject } of waiting.values()) reject(new Error("Chromium ended."));
  });

  let calls = 0;
  const send = (method: string, params: object, sessionId?: string) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, { resolve, reject });
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    });

  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const call = (method: string, parameters: object = {}) => send(method, parameters, sessionId as string);
  await call("Page.enable");
  const navigate = async (url: string) => {
    const loaded = new Promise<void>((resolve) => listeners.set("Page.loadEventFired", resolve));
    await call("Page.navigate", { url });
    await loaded;
  };
  await navigate(url);

  return {
    call,
    navigate,
    async evaluate(expression) {
      const { result, exceptionDetails } = await call("Runtime.evaluate", {
        expression,
        returnByValue: true,
        awaitPromise: true,
      });
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value?: unknown }).value;
    },
    async resize(width, height) {
      await call("Emulation.setDeviceMetricsOverride", {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: false,
      });
    },
    async peakBytes() {
      const { processInfo } = await send("SystemInfo.getProcessInfo", {});
      const peaks = (processInfo as { readonly type: string; readonly id: number }[])
        .filter(({ type }) => type === "renderer")
        .map(({ id }) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))![1]));
      return 1024 * Math.max(...peaks);
    },
    async screenshot() {
      const { data } = await call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
      return Buffer.from(data as string, "base64");
    },
    async close() {
      await send("Browser.close", {});
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
