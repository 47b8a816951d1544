/** @file For tests: the logits of the tuning that the page has kept, as the tab computes them. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import { noAdapter } from "../../core/adapters/adapted-model.ts";
import { createDecoder, encodeText } from "../../core/index.ts";
import type { Device } from "../../core/runtime/device.ts";
import { openWebDevice } from "../../web/device.ts";
import { openWebModel } from "../../web/open-model.ts";
import { resumeTuning } from "../../web/tune.ts";
import { recall } from "./store.ts";
import type { Begun, Course } from "./tuning.ts";

/** Those after each token of a text. */
export async function logitsOf(device: Device, model: AdaptedModel): Promise<number[]> {
  const ids = Int32Array.from(encodeText(model.tokenizer, "When do you open? At nine."));
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter);
  const positionIds = Int32Array.from(ids.keys());
  const { hidden } = await decoder.extend(
    { rows: 1, length: ids.length, inputIds: ids, positionIds },
    { rows: 1, length: 0, keys: [], values: [] },
    Int32Array.of(0),
  );
  const logits = await decoder.logits(hidden, positionIds);
  await decoder.release();
  return [...logits];
}

export async function logitsInTab(): Promise<number[]> {
  const [begun, course] = [await recall<Begun>("begun"), await recall<Course>("course")];
  const device = openWebDevice(begun!.device);
  const { storage } = begun!;
  const model = await openWebModel(new URL("./model", document.baseURI).href, { storage });
  const tuned = await resumeTuning(device, model, begun!.rows, course!.state!);
  return logitsOf(device, tuned.model);
}
