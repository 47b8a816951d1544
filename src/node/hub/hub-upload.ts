/** @file Sends files to a model repository of the Hugging Face Hub. */

import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { createRepo, HubApiError, modelInfo, uploadFilesWithProgress } from "@huggingface/hub";
import { InputError } from "../../core/errors.ts";
import { hubAccess } from "./hub.ts";

/** A file that is sent: from disk, or made for it. */
export interface FileToSend {
  /** Its path in the repository. */
  readonly path: string;
  /** Its path on disk, or its content. */
  readonly source: string | { readonly text: string };
}

export interface SendOptions {
  /** Whether everyone may read a repository that is made for it, or that is there already. Default false. */
  readonly public?: boolean;
  /** Title of the commit. */
  readonly title?: string;
  /** Default: HF_ENDPOINT, or https://huggingface.co. */
  readonly hubUrl?: string;
  readonly signal?: AbortSignal;
  /** Called with a file's name and the share of it that was sent. */
  readonly onProgress?: (file: string, share: number) => void;
}

/**
 * Sends files in one commit to the model repository `name`, which is made, private, if it does not exist.
 *
 * @returns the page of the repository
 * @throws InputError if there is no token, the Hub refuses, or the repository can be read by everyone and `public` is not
 *   set.
 */
export async function sendToHub(
  files: readonly FileToSend[],
  name: string,
  { title = "Upload with slimtune", signal, onProgress, ...options }: SendOptions = {},
): Promise<string> {
  const { accessToken, hubUrl } = hubAccess(options.hubUrl);
  if (accessToken === undefined) {
    throw new InputError(
      "There is no token of the Hub; set HF_TOKEN to one that may write, or put it into the file that HF_TOKEN_PATH names (by default token in the folder of HF_HOME).",
    );
  }
  const access = { accessToken, ...(hubUrl !== undefined && { hubUrl }) };
  try {
    await prepareRepository(name, options.public ?? false, access);
    const upload = uploadFilesWithProgress({
      repo: { type: "model", name },
      files: files.map(({ path, source }) => ({
        path,
        content: typeof source === "string" ? pathToFileURL(source) : new Blob([source.text]),
      })),
      commitTitle: title,
      ...access,
      ...(signal && { abortSignal: signal }),
    });
    for await (const event of upload) {
      if (event.event === "fileProgress") onProgress?.(basename(event.path), event.progress);
    }
    return `${hubUrl ?? "https://huggingface.co"}/${name}`;
  } catch (error) {
    throw describeFailure(error, name);
  }
}

/** Makes the repository, unless it is there. */
async function prepareRepository(
  name: string,
  isPublic: boolean,
  access: { readonly accessToken: string; readonly hubUrl?: string },
): Promise<void> {
  try {
    const { private: isPrivate } = await modelInfo({ name, ...access });
    if (isPrivate || isPublic) return;
  } catch (error) {
    if (!(error instanceof HubApiError) || ![401, 404].includes(error.statusCode)) throw error;
    await createRepo({
      repo: { type: "model", name },
      visibility: isPublic ? "public" : "private",
      ...access,
    });
    return;
  }
  throw new InputError(
    `Everyone can read the Hub's repository ${name}; add --public if they may read this too, or choose another one.`,
  );
}

function describeFailure(error: unknown, name: string): unknown {
  if (error instanceof InputError || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  if (error instanceof HubApiError) {
    const { statusCode, message } = error;
    if (statusCode === 401 || statusCode === 403) {
      return new InputError(
        `The Hub does not let you write to ${name}; check the name, and that the token may write there.`,
      );
    }
    return new InputError(`The Hub refuses ${name} (${statusCode}): ${message.replace(/\.$/, "")}.`);
  }
  const { cause, message } = error instanceof Error ? error : new Error(String(error));
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : message;
  return new InputError(`Nothing was sent to ${name}: ${reason.replace(/\.$/, "")}; try again.`);
}
