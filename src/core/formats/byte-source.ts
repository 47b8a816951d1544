/** @file Bytes that are read by position, wherever they are: a file, a Blob, a range of a server's answer. */

import { InputError } from "../errors.ts";
import { parseJson } from "./json-document.ts";

/** Something of a known size, of which nothing is read but what is asked for. */
export interface ByteSource {
  /** What it is called in errors: a path, a file's name or an address. */
  readonly name: string;
  /** Its bytes in all. */
  readonly size: number;
  /**
   * The bytes from `start` to before `end`, in memory of their own.
   *
   * @throws InputError if they cannot be read, or it ends before.
   */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** Named sources, such as the files of a model's folder. */
export interface SourceFolder {
  /** What it is called in errors. */
  readonly name: string;
  readonly files: ReadonlySet<string>;
  /** @throws InputError if there is none of that name, or it is no file. */
  open(file: string): Promise<ByteSource>;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a file of a folder as a text.
 *
 * @param advice what to do if it is damaged
 * @throws InputError if it is missing, or no text in UTF-8.
 */
export async function readTextFile(folder: SourceFolder, file: string, advice: string): Promise<string> {
  const source = await folder.open(file);
  try {
    return utf8.decode(await source.read(0, source.size));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${source.name}: the text is not in UTF-8; ${advice}.`);
  } finally {
    source.close();
  }
}

/** Reads a file of a folder as JSON. @throws InputError as {@link readTextFile}, or if it is not JSON, or nests too deep. */
export async function readJsonFile(folder: SourceFolder, file: string, advice: string): Promise<unknown> {
  return parseJson(await readTextFile(folder, file, advice), `${folder.name}/${file}`, advice);
}
