/** @file Handing a result on through the Hugging Face Hub: which of its files are sent, without paths of this machine. */

import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { parseJson } from "../../core/formats/json-document.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { readText } from "../files/read.ts";
import { anyFields } from "../files/structured.ts";
import { isHubId } from "../hub/hub.ts";
import { type FileToSend, type SendOptions, sendToHub } from "../hub/hub-upload.ts";
import { findResult, openRunFolder } from "../training/run-folder.ts";

export interface PushOptions extends SendOptions {
  /** The base model's id on the Hub, where an adapter's configuration names a path in its place. */
  readonly baseModelName?: string;
  /** Whether nothing is sent. Default false. */
  readonly dryRun?: boolean;
}

/** What was sent, or would be. */
export interface PushedResult {
  readonly files: readonly PushedFile[];
  /** The page of the repository. Undefined if nothing was sent. */
  readonly url?: string;
}

/** A file that is sent, with its size in bytes. */
export interface PushedFile extends FileToSend {
  readonly bytes: number;
}

/** Files of a result; nothing else in its folder is sent. */
const fileKinds = {
  adapter: /^(?:adapter_config\.json|adapter_model\.safetensors|README\.md|chat_template\.jinja)$/,
  model:
    /^(?:(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|model\.safetensors\.index)\.json|model(?:-\d+-of-\d+)?\.safetensors|README\.md|chat_template\.jinja)$/,
  gguf: /^(?:[^/]+\.gguf|Modelfile|README\.md)$/,
};

/**
 * Sends a result to the Hub's model repository `to`, which is made, private, if it does not exist.
 *
 * @param source folder of a run, an adapter or a model, or a GGUF file or a folder with some
 * @throws InputError as {@link listPushedFiles} and `sendToHub` do, or if the run is not finished.
 * @example
 * const { files } = await pushResult("runs/faq", "anna/faq", { dryRun: true });
 */
export async function pushResult(
  source: string,
  to: string,
  { baseModelName, dryRun = false, ...options }: PushOptions = {},
): Promise<PushedResult> {
  if (!isHubId(to)) throw new InputError(`"${to}" is no repository of the Hub; give user/name.`);
  const folder = existsSync(join(source, "config.yaml")) ? resultOf(source) : source;
  const files = listPushedFiles(folder, baseModelName);
  return dryRun ? { files } : { files, url: await sendToHub(files, to, options) };
}

/** The folder that a run's result is in. */
function resultOf(run: string): string {
  const { folder, config } = openRunFolder(run);
  const result = findResult(folder, config);
  if (result !== undefined) return result;
  throw new InputError(`The run in ${run} is not finished; go on with it by \`slimtune resume ${run}\`.`);
}

/**
 * The files of a result that are sent. Where they name paths of this machine, these are left out, or replaced by the base
 * model's id.
 *
 * @throws InputError if `source` is no result, or an adapter names its base model by a path and `baseModelName` is not
 *   given.
 */
export function listPushedFiles(source: string, baseModelName?: string): PushedFile[] {
  if (baseModelName !== undefined && !isHubId(baseModelName))
    throw new InputError(`"${baseModelName}" is no id of the Hub; give the base model's as user/name.`);
  if (!existsSync(source)) throw new InputError(`There is no ${source} to be sent.`);
  if (statSync(source).isFile()) {
    if (!source.endsWith(".gguf"))
      throw new InputError(`${source} is a file, but no .gguf file; name a folder or one.`);
    return [{ path: basename(source), source, bytes: statSync(source).size }];
  }
  const names = readdirSync(source).filter((name) => lstatSync(join(source, name)).isFile());
  const kind = names.includes("adapter_config.json")
    ? "adapter"
    : names.includes("config.json")
      ? "model"
      : "gguf";
  const sent = names.filter((name) => fileKinds[kind].test(name));
  if (!sent.some((name) => /\.(?:safetensors|gguf)$/.test(name))) {
    throw new InputError(
      `${source} is no result that can be sent: neither an adapter, nor a model, nor a folder with GGUF files.`,
    );
  }
  return sent.map((name) => {
    const path = join(source, name);
    const text = Object.hasOwn(rewritten, name)
      ? rewritten[name]!(readText(path), path, baseModelName)
      : undefined;
    return text === undefined
      ? { path: name, source: path, bytes: statSync(path).size }
      : { path: name, source: { text }, bytes: Buffer.byteLength(text) };
  });
}

/** Texts that are sent otherwise than they are here; undefined where they are not. */
const rewritten: Readonly<
  Record<string, (text: string, path: string, baseModelName: string | undefined) => string | undefined>
> = {
  "adapter_config.json"(text, path, baseModelName) {
    const config = parseFields(anyFields, parseJson(text, path), path);
    const base = baseModelName ?? config.base_model_name_or_path;
    if (typeof base !== "string" || existsSync(base) || !isHubId(base)) {
      throw new InputError(
        `${path} names the base model by a path of this machine, ${JSON.stringify(base)}; give its id on the Hub by --base-model-name.`,
      );
    }
    if (base === config.base_model_name_or_path) return undefined;
    return `${JSON.stringify({ ...config, base_model_name_or_path: base }, null, 2)}\n`;
  },
  "config.json"(text, path) {
    const { _name_or_path: name, ...config } = parseFields(anyFields, parseJson(text, path), path);
    if (name === undefined || (typeof name === "string" && isHubId(name) && !existsSync(name)))
      return undefined;
    return `${JSON.stringify(config, null, 2)}\n`;
  },
  "README.md"(text, _path, baseModelName) {
    const [opening, head] = /^---\n(.*?)^---$/ms.exec(text) ?? [];
    if (baseModelName === undefined || opening === undefined || /^base_model:/m.test(head!)) return undefined;
    return text.replace("---\n", `---\nbase_model: ${baseModelName}\n`);
  },
};
