/** @file Starts the studio: one at a time over a folder, at an address of this machine. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Hono } from "hono";
import { InputError } from "../core/errors.ts";
import { withLock } from "../node/files/lock.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { type HttpServer, listen } from "../server/http-server.ts";
import { openStudio, stateFolderOf } from "./open-studio.ts";

export interface StartOptions {
  /** Folders that may be seen; runs begin in the first. */
  readonly folders: readonly string[];
  /** Default: 8010 or, where that is taken, the next that is free. 0 takes any. */
  readonly port?: number;
  /** Tuning runs at a time. Default 1. */
  readonly jobs?: number;
  /** Takes errors that are the studio's own fault. */
  readonly onUnexpectedError?: (error: unknown) => void;
}

const host = "127.0.0.1";
const firstPort = 8010;
const triedPorts = 20;

/** Milliseconds that a request may take to come: uploads are large. */
const sendingTime = { headers: 10_000, request: 3_600_000 };

const page = fileURLToPath(new URL("../studio-page/", import.meta.url));

/**
 * Runs the studio until it is stopped.
 *
 * @param onReady is given the address to open, with its token
 * @param stopped ends it when it is fulfilled; runs get a checkpoint
 * @throws InputError if another studio has the first folder, or no port is free.
 */
export async function runStudio(
  { folders, port, ...options }: StartOptions,
  onReady: (address: string) => void,
  stopped: Promise<void>,
): Promise<void> {
  const stateFolder = stateFolderOf(folders[0]!);
  await withLock(stateFolder, "studio", async () => {
    const token = readToken(stateFolder);
    const studio = await openStudio({ ...options, folders, token, page });
    let server: HttpServer | undefined;
    try {
      server = await listenSomewhere(studio.app as unknown as Hono, port);
      studio.start();
      onReady(`${server.url}/?token=${token}`);
      await stopped;
    } finally {
      const closed = studio.close();
      await (server?.close(closed) ?? closed);
    }
  });
}

/** It outlasts the studio, so that a page that is open goes on when the studio is started again. */
function readToken(stateFolder: string): string {
  makeFolder(stateFolder);
  const path = join(stateFolder, "token");
  const kept = readWhole(path, { isOptional: true })?.toString("utf8") ?? "";
  if (/^[\w-]{43}$/.test(kept)) return kept;
  const token = randomBytes(32).toString("base64url");
  writeWhole(path, token, 0o600);
  return token;
}

async function listenSomewhere(app: Hono, port: number | undefined): Promise<HttpServer> {
  if (port !== undefined) return listen(app, host, port, sendingTime);
  for (let offset = 0; ; offset++) {
    try {
      return await listen(app, host, firstPort + offset, sendingTime);
    } catch (error) {
      if (!(error instanceof InputError) || offset === triedPorts) throw error;
    }
  }
}
