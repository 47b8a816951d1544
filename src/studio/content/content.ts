/** @file The routes of what the studio shows: data, estimates, tasks, evaluations, reports and talk. */

import { Hono } from "hono";
import type { StudioContext } from "../context.ts";

/** Routes below /api, and what ends that they have begun. */
export function createContent(_context: StudioContext) {
  const routes = new Hono();
  return { routes, close: async () => {} };
}
