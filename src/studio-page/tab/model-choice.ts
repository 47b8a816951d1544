/** @file Which model a person chooses, and where its files are. */

import { InputError } from "../../core/errors.ts";

/** What IndexedDB stores of it: files are kept as they are. */
export type ModelChoice =
  | { readonly kind: "embedded" }
  | { readonly kind: "files"; readonly files: readonly File[] }
  | { readonly kind: "hub"; readonly name: string };

export const embedded: ModelChoice = { kind: "embedded" };

/** What `TuningWorker.open` takes. @throws InputError if no file is chosen, or the name is no model's. */
export function sourceOf(choice: ModelChoice): string | readonly File[] {
  if (choice.kind === "hub") return hubAddress(choice.name);
  if (choice.kind === "embedded") return new URL("./model", document.baseURI).href;
  if (choice.files.length > 0) return choice.files;
  throw new InputError(
    "No file of a model is chosen; choose a .gguf file, or config.json, tokenizer.json, tokenizer_config.json and the .safetensors files of one folder.",
  );
}

/** What the model is called where the adapter is used, as `slimtune generate --model` takes it. */
export function nameOf(choice: ModelChoice): string {
  if (choice.kind === "embedded") return "node_modules/slimtune/fixtures/embedded-model";
  if (choice.kind === "hub") return idOf(choice.name);
  const [file] = choice.files;
  const isFolder = choice.files.length > 1;
  return isFolder ? file!.webkitRelativePath.split("/")[0] || "model" : (file?.name ?? "model");
}

/** What the page calls it. */
export function titleOf(choice: ModelChoice): string {
  return choice.kind === "embedded" ? "the embedded model" : nameOf(choice);
}

const hub = "https://huggingface.co/";

/** Without what the address of a page of the Hub has around it. */
const idOf = (name: string) =>
  name
    .trim()
    .replace(hub, "")
    .replace(/\/(?:tree|blob|resolve)\/main(?=\/|$)/, "")
    .replace(/\/$/, "");

/**
 * The address of a model's folder or .gguf file on the Hub.
 *
 * @param name its id, the id and a file's path, the address of its page, or of a folder on the host of this page
 * @throws InputError if it is none of these.
 */
export function hubAddress(name: string): string {
  const [, repository, file] = /^([\w.-]+\/[\w.-]+)(?:\/(.+\.gguf))?$/.exec(idOf(name)) ?? [];
  if (repository !== undefined)
    return `${hub}${repository}/resolve/main${file === undefined ? "" : `/${file}`}`;
  throw new InputError(
    `"${name}" is no model of the Hub; give an id such as HuggingFaceTB/SmolLM2-135M-Instruct, or an id, a slash and the name of a .gguf file in it. A model from elsewhere has to be downloaded, and chosen as files.`,
  );
}
