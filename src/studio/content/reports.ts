/** @file The reports in the folders: those that are written, and those of studies and federations that are under way. */

import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Hono } from "hono";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseJson } from "../../core/formats/json-document.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { isLocked } from "../../node/files/lock.ts";
import { readText } from "../../node/files/read.ts";
import { decodeHtml, html } from "../../reporting/html.ts";
import { ApiError } from "../../server/api-error.ts";
import type { ReportSummary } from "../api.ts";
import type { StudioContext } from "../context.ts";
import type { Folders, FoundFolder } from "../folders.ts";
import { idOf } from "../ids.ts";
import type { Inquirer } from "./inquiry.ts";
import { createFileReader } from "./seen-files.ts";

/** Of a report's page: nothing is loaded or run, whatever stands in it, and only the studio may frame it. */
const framed = [
  "sandbox",
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'self'",
].join("; ");

/** A report and how its page is come by. */
interface FoundReport extends ReportSummary {
  readonly page:
    | { readonly file: string }
    | { readonly question: "study page" }
    | { readonly question: "federation page"; readonly run: string };
}

/** GET /reports, GET /reports/:id/page and GET /reports/:id/trees. */
export function reportRoutes({ folders }: StudioContext, inquirer: Inquirer) {
  const list = createReportList(folders);
  const find = (id: string) => {
    const found = list().find((report) => report.id === id);
    if (found) return found;
    throw new ApiError(404, `There is no report ${id} in the studio's folders.`);
  };
  const pageOf = async ({ path, page }: FoundReport, signal: AbortSignal): Promise<string> => {
    if ("file" in page) return readText(page.file);
    if (page.question === "study page")
      return (await inquirer.ask("study page", { folder: path }, signal)).answer;
    const meeting = { folder: dirname(dirname(dirname(path))), run: page.run };
    return (await inquirer.ask("federation page", meeting, signal)).answer;
  };
  return new Hono()
    .get("/reports", (c) => c.json(list().map(({ page: _, ...report }): ReportSummary => report)))
    .get("/reports/:id/page", async (c) => {
      c.header("content-security-policy", framed);
      const report = find(c.req.param("id"));
      try {
        return c.html(await pageOf(report, c.req.raw.signal));
      } catch (error) {
        // It is read in a frame.
        if (error instanceof InputError)
          return c.html(html`<!doctype html><p>There is no page yet: ${error.message}</p>`.text, 400);
        throw error;
      }
    })
    .get("/reports/:id/trees", async (c) => {
      const { path } = find(c.req.param("id"));
      const given = { folder: path, problem: c.req.query("problem") ?? "0" };
      return c.json((await inquirer.ask("search trees", given, c.req.raw.signal)).answer);
    });
}

/** Lists the reports, those that changed last first. */
function createReportList({ walk }: Folders): () => FoundReport[] {
  const readPage = createFileReader(describePage);
  const readRun = createFileReader(isDone);

  const describe = ({ path, files, folders }: FoundFolder): FoundReport | undefined => {
    const about = { id: idOf(path), path };
    const isStudy = files.has("study.yaml");
    const isFinished = files.has("report.html") && !(isStudy && isLocked(path));
    if (isFinished) {
      const file = join(path, "report.html");
      const found = readPage(file);
      if (!found) return undefined;
      const { value: page, changedAt } = found;
      return {
        ...about,
        title: page.title,
        kind: kindOf(files, page),
        changedAt,
        isFinished,
        page: { file },
      };
    }
    if (isStudy) {
      const changedAt = changeOf([path, ...[...folders].map((name) => join(path, name))]);
      const title = `${basename(path)}, under way`;
      return { ...about, title, kind: "study", changedAt, isFinished, page: { question: "study page" } };
    }
    const run = files.has("run.json")
      ? /[\\/]spaces[\\/]([^\\/]+)[\\/]documents$/.exec(path)?.[1]
      : undefined;
    const document = run === undefined ? undefined : readRun(join(path, "run.json"));
    if (run === undefined || !document) return undefined;
    const title = `Federation ${run}`;
    const page = { question: "federation page", run } as const;
    return {
      ...about,
      title,
      kind: "federation",
      changedAt: changeOf([path]),
      isFinished: document.value,
      page,
    };
  };

  return () =>
    [...walk()].flatMap((folder) => describe(folder) ?? []).sort((a, b) => b.changedAt - a.changedAt);
}

interface Page {
  readonly title: string;
  readonly hasTrees: boolean;
}

function describePage(path: string): Page | undefined {
  const text = readText(path);
  const title = /<title>([^<]*)<\/title>/.exec(text)?.[1];
  if (title === undefined) return undefined;
  return { title: decodeHtml(title), hasTrees: text.includes('<section id="trees-') };
}

/** By the files that are beside a report. */
function kindOf(files: ReadonlySet<string>, { hasTrees }: Page): string {
  if (files.has("study.json")) return "study";
  if (files.has("solutions.jsonl")) return hasTrees ? "search" : "reasoning";
  if (files.has("choices.jsonl")) return "demonstrations";
  if (files.has("scores.jsonl")) return "assessment";
  return files.has("judgements.json") ? "judgements" : "other";
}

/** Whether a federation is done. A document begins with its revision in a line. */
function isDone(path: string): boolean {
  const json = readText(path).replace(/^.*\n/, "");
  return parseFields(z.object({ state: z.string() }), parseJson(json, path), path).state === "done";
}

function changeOf(paths: readonly string[]): number {
  return Math.max(...paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0));
}
