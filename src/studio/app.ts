/** @file The studio's routes. */

import { Hono } from "hono";
import { createContent } from "./content/content.ts";
import type { StudioContext } from "./context.ts";

/** What the page calls, as types for `hc` of "hono/client". */
export type StudioApp = ReturnType<typeof createStudioApp>["app"];

/** The studio's routes; `app.fetch` answers a request. */
export function createStudioApp(context: StudioContext) {
  const content = createContent(context);
  const app = new Hono().route("/api", content.routes);
  return { app, close: content.close };
}
