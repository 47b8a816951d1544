/** @file What a run's result can be written as, and what each is for. */

import type { Id, JobRequest, RunSummary } from "../../studio/api.ts";

export interface ResultFormat {
  readonly title: string;
  readonly purpose: string;
  /** Whether a run of this method leaves what it needs. */
  isFor(method: string): boolean;
  /** What is chosen beside it and what it is called, the default first. */
  readonly variants?: { readonly label: string; readonly names: readonly string[] };
  /** The job that writes it. @param variant one of the names */
  request(run: Id, name: string, variant: string | undefined): JobRequest;
}

const yieldsModel = ["freeze", "full"];
const isUnmergeable = (method: string) => ["adaption-prompt", "dca"].includes(method);
const loras = ["lora", "qlora", "lora+", "rslora", "pissa", "lora-fa"];

/** The formats of `slimtune export` by their names, but for "safetensors": `slimtune merge` writes it with a model card. */
export const resultFormats: Readonly<Record<string, ResultFormat>> = {
  gguf: {
    title: "Whole model as a GGUF file",
    purpose: "for llama.cpp, Ollama and LM Studio; a Modelfile for Ollama is written beside it",
    isFor: (method) => !isUnmergeable(method),
    variants: { label: "Stored as", names: ["f16", "f32", "q8_0", "q5_k_m", "q4_k_m", "q4_0"] },
    request: (run, name, type) => ({ kind: "export", run, format: "gguf", type: type!, name }),
  },
  "gguf-lora": {
    title: "Adapter as a GGUF file",
    purpose: "for llama.cpp and Ollama beside the base model; a Modelfile is written beside it",
    isFor: (method) => loras.includes(method),
    request: (run, name) => ({ kind: "export", run, format: "gguf-lora", name }),
  },
  merge: {
    title: "Whole model as a Hugging Face folder",
    purpose: "for Transformers and vLLM, with a model card",
    isFor: (method) => !isUnmergeable(method) && !yieldsModel.includes(method),
    request: (run, name) => ({ kind: "merge", run, name }),
  },
  adapter: {
    title: "Adapter with another gate",
    purpose: "for PEFT, whose adaption prompts have one gate for a layer; or with one for each head",
    isFor: isUnmergeable,
    variants: { label: "Gates", names: ["scalar", "head"] },
    request: (run, name, gate) => ({ kind: "export", run, format: "adapter", gate: gate!, name }),
  },
};

/** What a run's result can be written as, by names; what most want comes first. */
export function formatsFor({ method }: Pick<RunSummary, "method">): string[] {
  return Object.keys(resultFormats).filter((name) => resultFormats[name]!.isFor(method));
}
