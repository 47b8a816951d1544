/** @file Makes the embedded model: random weights to begin with, and half-precision ones of a run to be kept. */

import { basename, join } from "node:path";
import { listTensors } from "../core/architectures/modules.ts";
import { InputError } from "../core/errors.ts";
import { encodeFloat16 } from "../core/formats/float16.ts";
import { openSafetensorsModel } from "../core/formats/safetensors.ts";
import { readFolderConfig } from "../core/models/checkpoint.ts";
import { createRandom } from "../core/random.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import { copyFile, makeFolder } from "../node/files/write.ts";
import { writeSafetensors } from "../node/formats/safetensors.ts";

const files = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

/** Standard deviation of the weights at the start, as Llama's `initializer_range`. */
const initializerRange = 0.02;

/** Writes a model of the configuration in `source` with random weights; norms begin at 1. */
async function initializeModel(source: string, folder: string): Promise<void> {
  makeFolder(folder);
  for (const name of files) copyFile(join(source, name), join(folder, name));
  const tensors = listTensors(await readFolderConfig(openSourceFolder(source))).map(
    ({ name, shape }, index) => {
      const random = createRandom(0, index);
      const size = shape.reduce((product, dim) => product * dim, 1);
      const draw = shape.length === 1 ? () => 1 : () => initializerRange * random.normal();
      return { name, dtype: "float32" as const, shape, data: Float32Array.from({ length: size }, draw) };
    },
  );
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
}

/** Writes the weights of the model in `source` into `folder` in float16. */
async function keepModel(source: string, folder: string): Promise<void> {
  const file = await openSafetensorsModel(openSourceFolder(source));
  const tensors = [...file.tensors.values()].map(({ name, shape }) => ({
    name,
    dtype: "float16" as const,
    shape,
    data: async () => encodeFloat16(await file.readFloat32(name)),
  }));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  file.close();
}

const [command, source, folder] = process.argv.slice(2);
if (command === "initialize" && source && folder) await initializeModel(source, folder);
else if (command === "keep" && source && folder) await keepModel(source, folder);
else
  throw new InputError(`Usage: node ${basename(process.argv[1]!)} initialize|keep <from folder> <to folder>`);
