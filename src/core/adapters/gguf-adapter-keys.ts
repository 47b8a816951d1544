/** @file How each key of a GGUF adapter's metadata is read. */

import { type KeyTable, withRole } from "../formats/known-keys.ts";
import { generalKeys } from "../models/gguf-keys.ts";

export const ggufAdapterKeys: KeyTable = {
  ...generalKeys,
  "general.type": ["adapter"],
  "adapter.type": ["lora"],
  "adapter.lora.alpha": "used",
  ...withRole("harmless", "adapter.lora.prompt_prefix", "adapter.lora.task_name"),
  "adapter.alora.invocation_tokens": [[]],
};
