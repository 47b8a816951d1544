/** @file The tasks and groups that may be evaluated. */

import { Hono } from "hono";
import { loadTasks } from "../../evaluation/tasks/registry.ts";
import type { TaskInfo } from "../api.ts";
import { miniatureTasks } from "../job-plan.ts";

/** GET /tasks. */
export function taskRoutes() {
  return new Hono().get("/tasks", (c) => c.json(listTasks()));
}

/** Those whose data are at hand first; of groups their names stand for all of their tasks. */
export function listTasks(): TaskInfo[] {
  const { tasks, groups } = loadTasks([miniatureTasks]);
  const isLocal = new Map(
    tasks.map(({ name, definition }) => [name, definition.dataset_kwargs?.data_files !== undefined]),
  );
  const grouped = new Set(groups.flatMap((group) => group.tasks));
  return [
    ...tasks.filter(({ name }) => !grouped.has(name)),
    ...groups,
    ...tasks.filter(({ name }) => grouped.has(name)),
  ]
    .map((entry) => ({
      name: entry.name,
      description: entry.description,
      isLocal: "tasks" in entry ? entry.tasks.every((name) => isLocal.get(name)) : isLocal.get(entry.name)!,
    }))
    .sort((a, b) => Number(b.isLocal) - Number(a.isLocal));
}
