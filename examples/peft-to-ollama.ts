/** Makes of an adapter that PEFT has trained what Ollama and llama.cpp load: a GGUF adapter, or a whole quantized model. */

import { readFile } from "node:fs/promises";
import { exportModel } from "slimtune";

const model = "fixtures/embedded-model";
/** What PEFT's `save_pretrained` has written. */
const adapter = "fixtures/reference/continued/adapter";

// The adapter alone, for a base model that Ollama has already.
await exportModel(adapter, "runs/examples/adapter.gguf", { model, format: "gguf-lora" });

// Base model and adapter in one file.
const check = await exportModel(adapter, "runs/examples/merged.gguf", {
  model,
  format: "gguf",
  type: "q8_0",
});
console.log(
  `The quantized model is ${check.verdict} the tuned one: ${(100 * check.sameLikeliest).toFixed(0)} % of its likeliest tokens are the same.`,
);

console.log("\nollama create my-model -f runs/examples/merged.Modelfile, where that file says:\n");
console.log(await readFile("runs/examples/merged.Modelfile", "utf8"));
