/** @file For tests: a host of files, which sends no headers of its own and gives parts of files. */

import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export async function hostFiles(folder: string): Promise<{ readonly address: string; close(): void }> {
  const server = createServer(({ url = "/", headers }, response) => {
    const path = join(folder, url === "/" ? "/index.html" : url);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
    const bytes = readFileSync(path);
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream");
    if (start === undefined) return response.end(bytes);
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${bytes.length}` });
    return response.end(bytes.subarray(Number(start), Number(end) + 1));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}/`, close: () => server.close() };
}
