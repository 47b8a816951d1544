/** @file What a browser reads models from: Blobs, such as the files that a person chooses, and addresses. */

import { InputError } from "../core/errors.ts";
import type { ByteSource, SourceFolder } from "../core/formats/byte-source.ts";

/**
 * A Blob as a source of bytes.
 *
 * @example
 * const { openWebModel } = await import("slimtune/web");
 * const blob = await (await fetch("model.gguf")).blob();
 * const model = await openWebModel(blobSource(blob, "model.gguf"));
 */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(start, end) {
      return checkLength(new Uint8Array(await blob.slice(start, end).arrayBuffer()), start, end, name);
    },
    close() {},
  };
}

/**
 * A model's folder, as `<input type="file" webkitdirectory>` gives its files.
 *
 * @param name what it is called in errors
 *
 * @example
 * const { openFolderCheckpoint } = await import("slimtune/core");
 * const names = ["config.json", "tokenizer.json", "model.safetensors"];
 * const files = names.map(async (name) => new File([await (await fetch(name)).blob()], name));
 * const checkpoint = await openFolderCheckpoint(blobFolder(await Promise.all(files), "the model"));
 */
export function blobFolder(files: Iterable<File>, name: string): SourceFolder {
  const byName = new Map(Array.from(files, (file) => [file.name, file]));
  return {
    name,
    files: new Set(byName.keys()),
    async open(file) {
      const found = byName.get(file);
      if (!found) throw new InputError(`${name} holds no ${file}.`);
      return blobSource(found, `${name}/${file}`);
    },
  };
}

/**
 * A file behind an address, of which only those parts are fetched that are read.
 *
 * @throws InputError if there is none, it cannot be reached, or its server gives no parts of files.
 *
 * @example
 * const { openGgufCheckpoint } = await import("slimtune/core");
 * const checkpoint = await openGgufCheckpoint(await openUrl("https://example.org/model.gguf"));
 */
export async function openUrl(url: string): Promise<ByteSource> {
  // Some servers take an end of 0 for none.
  const { response, size } = await requestRange(url, 0, 2);
  await response.body?.cancel();
  return {
    name: url,
    size,
    read: (start, end) => fetchRange(url, start, end),
    close() {},
  };
}

/** What there is of a model of one file of weights, as most are. */
const modelFiles = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];

/**
 * A model's folder behind an address, such as "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct/resolve/main".
 *
 * @param files its files that are read. Default: config.json, tokenizer.json, tokenizer_config.json, model.safetensors
 *
 * @example
 * const folder = urlFolder("https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct/resolve/main");
 */
export function urlFolder(url: string, files: Iterable<string> = modelFiles): SourceFolder {
  const name = url.replace(/\/$/, "");
  return { name, files: new Set(files), open: (file) => openUrl(`${name}/${file}`) };
}

async function requestRange(url: string, start: number, end: number) {
  const response = await fetch(url, { headers: { range: `bytes=${start}-${end - 1}` } }).catch(() => {
    throw new InputError(`${url} cannot be reached; check the address and the connection.`);
  });
  const size = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (response.status === 206 && size !== undefined) return { response, size: Number(size) };
  await response.body?.cancel();
  throw new InputError(
    response.ok
      ? `The server of ${url} gives no parts of files; download the file, and choose it.`
      : `${url} cannot be read: the server answers ${response.status}; check the address.`,
  );
}

async function fetchRange(url: string, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  if (start === end) return new Uint8Array();
  const { response } = await requestRange(url, start, end);
  return checkLength(new Uint8Array(await response.arrayBuffer()), start, end, url);
}

function checkLength<T extends Uint8Array>(bytes: T, start: number, end: number, name: string): T {
  if (bytes.length === end - start) return bytes;
  throw new InputError(`${name} ends before byte ${end}; the file is truncated.`);
}
