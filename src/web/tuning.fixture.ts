/** @file For tests: a short tuning and what the model then writes, in Node.js and in a page. */

import { type AdaptedModel, type Device, generate, type Model } from "../core/index.ts";
import { tune } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";

export const rows = [
  { prompt: "How many pens has Tom?", completion: "Tom has 3 pens and buys 2 more, so he has 5." },
  { prompt: "When do you open?", completion: "At nine." },
];

export interface ShortTuning {
  readonly losses: readonly number[];
  /** Ten tokens, the likeliest each; none if they were not asked for. */
  readonly text?: string;
  /** Those of the adapter, by their names. */
  readonly files: Readonly<Record<string, readonly number[]>>;
}

/** Two steps of LoRA, or of QLoRA if the model is quantized. */
export async function tuneAndWrite(device: Device, model: Model, writes = true): Promise<ShortTuning> {
  const losses: number[] = [];
  const options: TuneOptions = {
    method: model.weights.storage === "nf4" ? "qlora" : "lora",
    lora: { r: 4 },
    max_steps: 2,
    learning_rate: 1e-2,
    warmup_ratio: 0,
    // Programs that both ways of keeping weights have in common are compiled once.
    segment_size: 1,
  };
  const onStep = ({ loss }: { loss: number }) => losses.push(loss);
  const tuned = await tune(device, model, rows, options, { onStep });
  const files = tuned.files.map(async (file) => [file.name, [...new Uint8Array(await file.arrayBuffer())]]);
  return {
    losses,
    ...(writes && { text: await write(device, tuned.model) }),
    files: Object.fromEntries(await Promise.all(files)),
  };
}

export function write(device: Device, model: AdaptedModel): Promise<string> {
  return generate(device, model, "How many pens has Tom?", { maxNewTokens: 10 });
}
