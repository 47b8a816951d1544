/** @file Who may call: an API key, and protection from web pages that the user happens to have open. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { ApiError } from "./api-error.ts";

/**
 * Whether a server on `host` can only be reached from its own machine.
 *
 * @example
 * isLoopback("0.0.0.0"); // false: others can reach it, so ask them for a key
 */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

/**
 * Refuses requests that name another host than this machine. A web page can point a domain of its own at 127.0.0.1
 * (DNS rebinding) and then counts as being of the same origin, but its requests still name that domain.
 */
export const requireLoopbackHost: MiddlewareHandler = async (c, next) => {
  const name = c.req.header("host")?.replace(/:\d+$/, "");
  if (name === undefined || !isLoopback(name)) {
    throw new ApiError(403, `This server answers to localhost, not to ${JSON.stringify(name ?? "")}.`);
  }
  await next();
};

/**
 * Refuses requests of web pages, save those of the allowed origins ("*": any), which get the headers of CORS.
 * Browsers send an Origin with every request that can do something; other clients send none.
 */
export function requireAllowedOrigin(allowed: readonly string[]): MiddlewareHandler {
  const any = allowed.includes("*");
  const withHeaders = cors({ origin: any ? "*" : [...allowed], allowMethods: ["GET", "POST"], maxAge: 600 });
  return async (c, next) => {
    const origin = c.req.header("origin");
    if (origin === undefined) return next();
    if (!any && !allowed.includes(origin)) {
      throw new ApiError(
        403,
        `Web pages of ${origin} may not call this server; allow them with --allow-origin ${origin}.`,
      );
    }
    return withHeaders(c, next);
  };
}

/** Asks for `Authorization: Bearer <key>`. */
export function requireKey(key: string): MiddlewareHandler {
  // Digests are of one length, so the comparison takes the same time for every guess.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(key);
  return async (c, next) => {
    const given = /^Bearer +(.*)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined || !timingSafeEqual(digest(given), expected)) {
      const what =
        given === undefined
          ? "No API key was given; send it as Authorization: Bearer <key>."
          : "The API key is wrong.";
      throw new ApiError(401, what, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
    }
    await next();
  };
}
