/** @file The evaluations in the folders, and two of them compared. */

import { join } from "node:path";
import { Hono } from "hono";
import { z } from "zod";
import { nameMetric } from "../../evaluation/comparison-report.ts";
import { isResults } from "../../evaluation/evaluation-folder.ts";
import { readJson } from "../../node/files/structured.ts";
import { ApiError } from "../../server/api-error.ts";
import type { Comparison, EvaluationSummary } from "../api.ts";
import type { StudioContext } from "../context.ts";
import type { Folders } from "../folders.ts";
import { idOf } from "../ids.ts";
import type { Inquirer } from "./inquiry.ts";
import { createFileReader } from "./seen-files.ts";

const interval = z.tuple([z.number(), z.number()]);
/** What of a file of results stands in the list; of other harnesses there are no intervals. */
const resultsSchema = z.object({
  results: z.record(z.string(), z.record(z.string(), z.unknown())),
  "n-samples": z.record(z.string(), z.object({ effective: z.number() })).default({}),
  model_name: z.string().nullish(),
  slimtune: z
    .object({
      model: z.object({ name: z.string(), adapter: z.object({ path: z.string() }).nullable() }),
      confidence_intervals: z.record(z.string(), z.record(z.string(), interval)).default({}),
    })
    .optional(),
});

/** GET /evaluations and GET /comparison. */
export function evaluationRoutes({ folders }: StudioContext, inquirer: Inquirer) {
  const list = createEvaluationList(folders);
  const find = (id = "") => {
    const found = list().find((evaluation) => evaluation.id === id);
    if (found) return found;
    throw new ApiError(404, `There is no evaluation ${id} in the studio's folders.`);
  };
  return new Hono()
    .get("/evaluations", (c) => c.json(list()))
    .get("/comparison", async (c) => {
      const [before, after] = [find(c.req.query("before")), find(c.req.query("after"))];
      const paths = { before: before.path, after: after.path };
      const { answer } = await inquirer.ask("comparison", paths, c.req.raw.signal);
      return c.json({ before: before.name, after: after.name, ...answer } satisfies Comparison);
    });
}

/** Lists the evaluations, those that changed last first. */
function createEvaluationList(folders: Folders): () => EvaluationSummary[] {
  const read = createFileReader(readScores);
  return () =>
    [...folders.walk()]
      .flatMap(({ path, name, files }): EvaluationSummary[] => {
        // The names of lm-evaluation-harness end in the date, so the last is the newest.
        const file = [...files].filter(isResults).sort().at(-1);
        const found = file === undefined ? undefined : read(join(path, file));
        return found ? [{ id: idOf(path), path, name, ...found.value, changedAt: found.changedAt }] : [];
      })
      .sort((a, b) => b.changedAt - a.changedAt);
}

function readScores(path: string): Pick<EvaluationSummary, "model" | "adapter" | "scores"> {
  const { results, slimtune, model_name, "n-samples": sizes } = readJson(path, resultsSchema);
  const adapter = slimtune?.model.adapter?.path;
  return {
    model: slimtune?.model.name ?? model_name ?? "",
    ...(adapter !== undefined && { adapter }),
    scores: Object.entries(results).flatMap(([task, entries]) =>
      Object.entries(entries).flatMap(([key, value]) => {
        const [metric, filter] = key.split(",") as [string, string | undefined];
        if (typeof value !== "number" || filter === undefined || metric.endsWith("_stderr")) return [];
        const [low, high] = slimtune?.confidence_intervals[task]?.[key] ?? [];
        return {
          task,
          metric: nameMetric({ metric, filter }),
          value,
          ...(low !== undefined && high !== undefined && { low, high }),
          items: sizes[task]?.effective ?? Number(entries.sample_len ?? 0),
        };
      }),
    ),
  };
}
