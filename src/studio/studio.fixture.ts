/** @file A studio over folders of its own, asked without a socket; and runs that were never computed. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenStudio, openStudio, type StudioOptions } from "./open-studio.ts";

export const token = "t".repeat(43);
export const origin = "http://127.0.0.1:8010";

export interface Asking {
  readonly method?: string;
  /** Sent as JSON, or as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export interface TestStudio extends OpenStudio {
  /** Asks as the studio's own page does. */
  ask(path: string, asking?: Asking): Promise<Response>;
  /** The JSON of an answer that is expected to be fine. */
  get<T>(path: string): Promise<T>;
  /** The status and what the answer says of it. */
  refusal(path: string, asking?: Asking): Promise<string>;
}

export async function openTestStudio(
  folders: readonly string[],
  options: Partial<StudioOptions> = {},
): Promise<TestStudio> {
  const studio = await openStudio({ folders, token, page: "none", ...options });
  const ask = async (path: string, { method, body, headers = {} }: Asking = {}) => {
    const isRaw = body instanceof Uint8Array || body instanceof ReadableStream;
    const all = {
      host: "127.0.0.1:8010",
      cookie: `slimtune-8010=${token}`,
      ...((method ?? "GET") !== "GET" && { origin }),
      ...(body !== undefined && !isRaw && { "content-type": "application/json" }),
      ...headers,
    };
    const given = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return await studio.app.fetch(
      new Request(`${origin}${path}`, {
        method: method ?? "GET",
        headers: given,
        ...(body !== undefined && { body: isRaw ? body : JSON.stringify(body) }),
        ...(body instanceof ReadableStream && { duplex: "half" }),
      } as RequestInit),
    );
  };
  return {
    ...studio,
    ask,
    async get(path) {
      const response = await ask(path);
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as never;
    },
    async refusal(path, asking) {
      const response = await ask(path, asking);
      const { error } = (await response.json()) as { error?: string };
      return `${response.status} ${error}`;
    },
  };
}

/** A folder of this test file's own, and what removes it. */
export function makeScratch(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `slimtune-studio-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

export const stepLine = (step: number) =>
  `{"step":${step},"loss":${(3 / step).toFixed(4)},"learning_rate":0.001,"grad_norm":1,"epoch":0,"trained_tokens":100,"tokens":200,"seconds":0.5,"peak_rss_bytes":${1e8 + step}}\n`;

export const evaluationLine = (step: number) =>
  `{"step":${step},"eval_loss":${(3 / (step + 1)).toFixed(4)},"eval_tokens":100,"seconds":0.2}\n`;

/** Writes a run's folder as if it had made some steps. */
export function writeRun(
  path: string,
  {
    steps = 3,
    isFinished = false,
    options = "",
  }: { steps?: number; isFinished?: boolean; options?: string } = {},
): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "inputs.json"), "{}");
  writeFileSync(
    join(path, "config.yaml"),
    `model: fixtures/embedded-model\ndata: faq.csv\nmethod: lora\nlora:\n  r: 16\n  target_modules: all-linear\nlearning_rate: 0.001\nobjective: sft\nout: ${path}\n${options}`,
  );
  const lines = Array.from({ length: steps }, (_, index) => stepLine(index + 1));
  writeFileSync(join(path, "metrics.jsonl"), evaluationLine(0) + lines.join("") + evaluationLine(steps));
  if (!isFinished) return;
  mkdirSync(join(path, "adapter"));
  writeFileSync(join(path, "adapter", "adapter_config.json"), "{}");
}
