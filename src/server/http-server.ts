/** @file Listens for HTTP, and ends without cutting off answers. */

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { InputError } from "../core/errors.ts";

export interface HttpServer {
  /** Such as "http://127.0.0.1:8000". */
  readonly url: string;
  /** Takes no more connections; ends the others once `answered` is fulfilled and their last bytes are sent. */
  close(answered: Promise<void>): Promise<void>;
}

/** Milliseconds that clients have to take their last bytes. */
const lastBytes = 1000;

/** Milliseconds that a client has to send a request: its headers, and all of it. */
export interface SendingTime {
  readonly headers: number;
  readonly request: number;
}

/** @throws InputError if the address cannot be listened on. */
export async function listen(
  app: Hono,
  host: string,
  port: number,
  time: SendingTime = { headers: 10_000, request: 60_000 },
): Promise<HttpServer> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: time.headers,
      requestTimeout: time.request,
      connectionsCheckingInterval: 1000,
    },
  }) as Server;
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, host, port);
  }
  const { address, family, port: actualPort } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${actualPort}`,
    async close(answered) {
      const closed = once(server, "close");
      server.close();
      await answered;
      const sweep = setInterval(() => server.closeIdleConnections(), 20);
      const deadline = setTimeout(() => server.closeAllConnections(), lastBytes);
      await closed;
      clearInterval(sweep);
      clearTimeout(deadline);
    },
  };
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new InputError(`Port ${port} of ${host} is taken; choose another with --port.`);
    case "EACCES":
      return new InputError(`Port ${port} may not be listened on; choose one above 1023 with --port.`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new InputError(`${host} is no address of this machine; choose another with --host.`);
    default:
      return error;
  }
}
