/** @file The routes of what the studio shows: data, estimates, tasks, evaluations, reports and talk. */

import { Hono } from "hono";
import type { StudioContext } from "../context.ts";
import { createInquirer } from "./inquiry.ts";
import { optionRoutes } from "./options.ts";
import { previewRoutes } from "./preview.ts";

/** Routes below /api, and what ends that they have begun. */
export function createContent(context: StudioContext) {
  const inquirer = createInquirer();
  const routes = new Hono().route("/", optionRoutes()).route("/", previewRoutes(context, inquirer));
  return {
    routes,
    async close() {
      inquirer.close();
    },
  };
}
