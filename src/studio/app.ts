/** @file The studio's routes. */

import { existsSync } from "node:fs";
import { serveStatic } from "@hono/node-server/serve-static";
import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { explainError } from "../node/files/explain-error.ts";
import { requireLoopbackHost } from "../server/access.ts";
import { ApiError } from "../server/api-error.ts";
import { requireSameOrigin, requireToken, setSecurityHeaders } from "./access.ts";
import type { createContent } from "./content/content.ts";
import type { EventHub } from "./events.ts";
import type { Folders } from "./folders.ts";
import { jobRequestSchema } from "./job-plan.ts";
import type { Jobs } from "./jobs.ts";
import { jsonBody } from "./json-body.ts";
import { describeMachine, listFolder } from "./listing.ts";
import type { Runs } from "./runs.ts";
import type { Uploads } from "./uploads.ts";

/** What the routes are about. */
export interface StudioParts {
  readonly folders: Folders;
  readonly runs: Runs;
  readonly jobs: Jobs;
  readonly uploads: Uploads;
  readonly events: EventHub;
  readonly content: ReturnType<typeof createContent>;
}

export interface StudioAppOptions {
  /** Asked of every caller. */
  readonly token: string;
  /** Folder of the built page. */
  readonly page: string;
  /** Takes errors that are the studio's own fault. Default: nobody does. */
  readonly onUnexpectedError?: (error: unknown) => void;
}

/** What the page calls, as types for `hc` of "hono/client". */
export type StudioApp = ReturnType<typeof createStudioApp>;

/** Bytes of a request, but for uploads. */
const maximumBody = 2 * 2 ** 20;

/** The studio's routes; `app.fetch` answers a request. */
export function createStudioApp(
  { folders, runs, jobs, uploads, events, content }: StudioParts,
  { token, page, onUnexpectedError = () => {} }: StudioAppOptions,
) {
  const api = new Hono()
    .get("/studio", (c) => c.json(describeMachine(folders, uploads.maximum)))
    .get("/events", (c) => events.answer(c))
    .get("/files", (c) => c.json(listFolder(folders, c.req.query("folder"))))
    .post("/uploads", async (c) => c.json(await uploads.receive(c.req.query("name") ?? "", c.req.raw), 201))
    .get("/runs", async (c) => c.json(await runs.list()))
    .get("/runs/:id", async (c) => c.json(await runs.detail(c.req.param("id"))))
    .get("/runs/:id/curves", async (c) => c.json(await runs.curves(c.req.param("id"), c.req.query("after"))))
    .put("/runs/:id/note", jsonBody(z.strictObject({ note: z.string().max(20_000) })), async (c) =>
      c.json(await runs.setNote(c.req.param("id"), c.req.valid("json").note)),
    )
    .delete("/runs/:id", jsonBody(z.strictObject({ name: z.string() })), async (c) => {
      await runs.remove(c.req.param("id"), c.req.valid("json").name);
      return c.body(null, 204);
    })
    .get("/jobs", (c) => c.json(jobs.list()))
    .post("/jobs", jsonBody(jobRequestSchema), (c) => c.json(jobs.add(c.req.valid("json")), 201))
    .post("/command", jsonBody(jobRequestSchema), (c) =>
      c.json({ command: jobs.commandOf(c.req.valid("json")) }),
    )
    .post("/jobs/:id/stop", (c) => c.json(jobs.stop(c.req.param("id"))))
    .delete("/jobs/:id", (c) => {
      jobs.remove(c.req.param("id"));
      return c.body(null, 204);
    })
    .route("/", content.routes)
    .all("*", (c) => {
      throw new ApiError(404, `There is no ${c.req.method} ${c.req.path} here.`);
    });

  const limitBody = bodyLimit({
    maxSize: maximumBody,
    onError: () => {
      throw new ApiError(413, `The request has more than ${maximumBody} bytes.`, {
        headers: { connection: "close" },
      });
    },
  });
  const app = new Hono()
    .use(setSecurityHeaders)
    .use(requireLoopbackHost)
    .use(requireSameOrigin)
    .use(requireToken(token))
    .use("/api/*", async (c, next) => {
      c.header("cache-control", "no-store");
      return c.req.path === "/api/uploads" ? next() : limitBody(c, next);
    })
    .route("/api", api)
    .use(servePage(page));
  app.onError((error, c) => {
    const described = describeError(error);
    if (described.status === 500) onUnexpectedError(error);
    const { status, message, details } = described;
    return c.req.path.startsWith("/api/")
      ? c.json({ error: message }, status, details.headers)
      : c.text(message, status, details.headers);
  });
  app.notFound((c) => c.text(`There is no ${c.req.path} here.`, 404));
  return app;
}

/** The files of the built page; their names change with their content, but for the page's own. */
function servePage(page: string): MiddlewareHandler {
  if (!existsSync(page))
    return () => {
      throw new ApiError(503, "The studio's page is not built yet; run `npm run build` first.");
    };
  const serve = serveStatic({ root: page });
  return async (c, next) => {
    const response = await serve(c, next);
    const isNamedByContent = c.req.path.startsWith("/assets/");
    if (response instanceof Response)
      response.headers.set(
        "cache-control",
        isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache",
      );
    return response;
  };
}

function describeError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InputError) return new ApiError(400, error.message);
  if (error instanceof HTTPException) return new ApiError(400, `${error.message}.`);
  const { name, message } = error as Error;
  if (name === "AbortError") return new ApiError(503, "Nobody waits for the answer any more.");
  return new ApiError(500, explainError(error) ?? `The studio failed: ${message}`);
}
