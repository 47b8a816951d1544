/** @file The choice of a model, and of the device that computes. */

import { Notice } from "../components/notice.tsx";
import { hasWebGpu, threadsNote } from "./environment.ts";
import { device, model } from "./form.ts";
import { embedded, type ModelChoice } from "./model-choice.ts";

const kinds = {
  embedded: "The embedded model: 1.1 million parameters, comes with this page",
  files: "Files on this device: a .gguf file, or the files of a model's folder",
  hub: "The Hugging Face Hub",
} as const;

const initial: Readonly<Record<ModelChoice["kind"], ModelChoice>> = {
  embedded,
  files: { kind: "files", files: [] },
  hub: { kind: "hub", name: "" },
};

export function ModelPanel() {
  const choice = model.value;
  return (
    <fieldset>
      <legend>Model</legend>
      <div class="choices">
        {(Object.keys(kinds) as ModelChoice["kind"][]).map((kind) => (
          <label key={kind}>
            <input
              type="radio"
              name="model"
              checked={choice.kind === kind}
              onChange={() => {
                model.value = initial[kind];
              }}
            />{" "}
            {kinds[kind]}
          </label>
        ))}
      </div>
      {choice.kind === "files" && <ModelFiles />}
      {choice.kind === "hub" && (
        <p class="field">
          <label for="hub-name">Id, or address of its page</label>
          <input
            id="hub-name"
            value={choice.name}
            spellcheck={false}
            placeholder="HuggingFaceTB/SmolLM2-135M-Instruct"
            onInput={(event) => {
              model.value = { kind: "hub", name: event.currentTarget.value };
            }}
          />
          <small>
            The page asks huggingface.co for the parts that it reads, and for nothing else. A single .gguf
            file: id, slash, name.
          </small>
        </p>
      )}
      <p class="field">
        <label for="device">Device</label>
        <select
          id="device"
          value={device}
          onChange={(event) => {
            device.value = event.currentTarget.value as typeof device.value;
          }}
        >
          <option value="wasm">WebAssembly, on the processor</option>
          <option value="webgpu" disabled={!hasWebGpu}>
            WebGPU, on the graphics card{hasWebGpu ? "" : " (this browser gives none)"}
          </option>
        </select>
        <small>{threadsNote}</small>
      </p>
    </fieldset>
  );
}

function ModelFiles() {
  const { files } = model.value as Extract<ModelChoice, { kind: "files" }>;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return (
    <>
      <p class="field">
        <label for="model-files">The model's files</label>
        <input
          id="model-files"
          type="file"
          multiple
          onChange={(event) => {
            model.value = { kind: "files", files: [...(event.currentTarget.files ?? [])] };
          }}
        />
        <small>
          One .gguf file; or config.json, tokenizer.json, tokenizer_config.json and the .safetensors files.
          They are read here, and go nowhere.
        </small>
      </p>
      {bytes > 1e9 && (
        <Notice kind="warning">
          These files have {(bytes / 1e9).toFixed(1)} GB. A tab has its limits: choose QLoRA, which keeps a
          weight in about half a byte, and expect a step to take minutes.
        </Notice>
      )}
    </>
  );
}
