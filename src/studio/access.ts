/** @file Who may use the studio: whoever opened the address with its token, from the studio's own page. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import { ApiError } from "../server/api-error.ts";

/**
 * Asks for the token. In the address of the page it is exchanged for a cookie, and the browser is sent to the address without it.
 *
 * @throws ApiError 401 if it is missing or wrong.
 */
export function requireToken(token: string): MiddlewareHandler {
  // Digests are of one length, so the comparison takes the same time for every guess.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(token);
  const check = (given = "") => {
    if (!timingSafeEqual(digest(given), expected))
      throw new ApiError(
        401,
        "The token of this studio is missing or wrong; open the address that `slimtune studio` has printed.",
      );
  };
  return async (c, next) => {
    const inAddress = c.req.path === "/" ? c.req.query("token") : undefined;
    if (inAddress === undefined) {
      check(getCookie(c, cookieName(c)));
      return next();
    }
    check(inAddress);
    setCookie(c, cookieName(c), token, { httpOnly: true, sameSite: "Strict", path: "/" });
    return c.redirect("/");
  };
}

/** Cookies are of a host, whatever its port: each studio has its own. */
function cookieName(c: Context): string {
  return `slimtune-${/\d*$/.exec(c.req.header("host")!)![0]}`;
}

/**
 * Refuses requests of all pages but the studio's own: also of those that other programs show on this machine, since to a browser their
 * addresses are of one site, and cookies are sent with them.
 *
 * @throws ApiError 403
 */
export const requireSameOrigin: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header("origin");
  const from = c.req.header("sec-fetch-site") ?? "none";
  const isReading = c.req.method === "GET" || c.req.method === "HEAD";
  const isOwn = origin === undefined ? isReading : origin === `http://${c.req.header("host")}`;
  if (!isOwn || !["none", "same-origin"].includes(from))
    throw new ApiError(403, "Only the studio's own page may call it.");
  await next();
};

/** Headers for all answers; a route may set its own. */
export const setSecurityHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:", "blob:"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    frameSrc: ["'self'"],
    frameAncestors: ["'self'"],
    formAction: ["'none'"],
    baseUri: ["'none'"],
  },
  // Nothing is encrypted on the way to this machine itself.
  strictTransportSecurity: false,
  overwrite: false,
});
