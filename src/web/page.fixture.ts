/** @file For tests: what a page does that tunes a model. */

import { createModel, loadWeights, openFolderCheckpoint } from "../core/index.ts";
import { blobFolder } from "./byte-sources.ts";
import { openWebDevice, type WebDeviceName } from "./device.ts";
import { train } from "./training.fixture.ts";

const names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];

/** The losses of two steps of the model behind `address`. */
export async function trainInPage(address: string, device: WebDeviceName): Promise<number[]> {
  const files = names.map(async (name) => new File([await (await fetch(`${address}/${name}`)).blob()], name));
  const checkpoint = await openFolderCheckpoint(blobFolder(await Promise.all(files), address));
  const model = await createModel(address, checkpoint, await loadWeights(checkpoint));
  return train(model, openWebDevice(device));
}
