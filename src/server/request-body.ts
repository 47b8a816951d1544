/** @file Reads the bodies of requests, as many bytes as may be held. */

import { ApiError } from "./api-error.ts";

/** Largest body in bytes. */
const maximumBody = 2 * 2 ** 20;

/** A body of more bytes is not even read to its end. */
const endlessBody = 16 * maximumBody;

/** The most bytes that are held of all bodies together. */
const maximumHeld = 64 * maximumBody;

export interface BodyReader {
  /**
   * Gives a request's body to `use`.
   *
   * @throws ApiError 413 if the body is too large, 429 if those of others take all the room, 400 if it breaks off.
   */
  read<T>(request: Request, use: (body: Uint8Array) => Promise<T>): Promise<T>;
}

export function createBodyReader(): BodyReader {
  let held = 0;
  return {
    async read(request, use) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      let kept = 0;
      const drop = () => {
        chunks.length = 0;
        held -= kept;
        kept = 0;
      };
      try {
        for await (const chunk of receive(request)) {
          size += chunk.length;
          if (size > endlessBody) throw tooLarge({ connection: "close" });
          const hasRoom = size <= maximumBody && held + chunk.length <= maximumHeld;
          if (!hasRoom || kept < size - chunk.length) {
            drop();
            continue;
          }
          chunks.push(chunk);
          kept += chunk.length;
          held += chunk.length;
        }
        // Many clients read no response, and none may use the connection again, before the whole body is sent.
        if (size > maximumBody) throw tooLarge();
        if (kept < size) throw tooMany();
        return await use(Buffer.concat(chunks));
      } finally {
        drop();
      }
    },
  };
}

async function* receive(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request.body ?? [];
  } catch {
    throw new ApiError(400, "The body of the request broke off.");
  }
}

function tooLarge(headers: Readonly<Record<string, string>> = {}): ApiError {
  return new ApiError(413, `The body of the request is larger than ${maximumBody} bytes.`, { headers });
}

function tooMany(): ApiError {
  return new ApiError(429, "Too many long requests are being read; try again later.", {
    code: "queue_full",
    headers: { "retry-after": "1" },
  });
}
