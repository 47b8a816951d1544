/** @file The routes of what the studio shows: data, estimates, tasks, evaluations, reports and talk. */

import { Hono } from "hono";
import type { StudioContext } from "../context.ts";
import { evaluationRoutes } from "./evaluations.ts";
import { createInquirer } from "./inquiry.ts";
import { optionRoutes } from "./options.ts";
import { previewRoutes } from "./preview.ts";
import { reportRoutes } from "./reports.ts";
import { createTalk } from "./talk.ts";
import { taskRoutes } from "./tasks.ts";

/** Routes below /api, and what ends that they have begun. */
export function createContent(context: StudioContext) {
  // Who looks at a run need not wait for who compares.
  const [ofRuns, ofResults] = [createInquirer(), createInquirer()];
  const talk = createTalk(context);
  const routes = new Hono()
    .route("/", optionRoutes())
    .route("/", previewRoutes(context, ofRuns))
    .route("/", taskRoutes())
    .route("/", evaluationRoutes(context, ofResults))
    .route("/", reportRoutes(context, ofResults))
    .route("/", talk.routes);
  return {
    routes,
    async close() {
      ofRuns.close();
      ofResults.close();
      await talk.close();
    },
  };
}
