/** @file What the page asks its server for. Every function throws an Error with the server's sentence. */

import type {
  Comparison,
  Curves,
  Estimate,
  EvaluationSummary,
  FolderListing,
  GivenOptions,
  Id,
  Job,
  JobRequest,
  Preview,
  ReportSummary,
  RunDetail,
  RunOption,
  RunSummary,
  ShownTrees,
  StudioInfo,
  Talk,
  TalkRequest,
  TaskInfo,
  Upload,
} from "../studio/api.ts";
import { formatBytes } from "./format.ts";

/** The server does not answer at all. */
export class ServerLost extends Error {}

async function ask(path: string, options?: RequestInit): Promise<Response> {
  const response = await fetch(`api/${path}`, options).catch((error: Error) => {
    if (error.name === "AbortError") throw error;
    throw new ServerLost("The studio's server does not answer.");
  });
  if (response.ok) return response;
  const text = await response.text();
  throw new Error(sentenceOf(text) ?? `The server answered ${response.status}.`);
}

function sentenceOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: string }).error;
  } catch {
    return undefined;
  }
}

const get = async <T>(path: string, options?: RequestInit) => (await (await ask(path, options)).json()) as T;
const send = async (method: string, path: string, body: unknown, signal?: AbortSignal) =>
  ask(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
const post = async <T>(path: string, body: unknown, signal?: AbortSignal) =>
  (await (await send("POST", path, body, signal)).json()) as T;

const id = encodeURIComponent;

export const client = {
  studio: () => get<StudioInfo>("studio"),
  options: () => get<RunOption[]>("options"),
  files: (folder?: string) =>
    get<FolderListing>(folder === undefined ? "files" : `files?folder=${encodeURIComponent(folder)}`),
  preview: (options: GivenOptions, signal?: AbortSignal) => post<Preview>("preview", options, signal),
  estimate: (options: GivenOptions, signal?: AbortSignal) => post<Estimate>("estimate", options, signal),

  runs: () => get<RunSummary[]>("runs"),
  run: (run: Id) => get<RunDetail>(`runs/${id(run)}`),
  curves: (run: Id, after = "") => get<Curves>(`runs/${id(run)}/curves?after=${encodeURIComponent(after)}`),
  setNote: async (run: Id, note: string): Promise<RunSummary> =>
    (await send("PUT", `runs/${id(run)}/note`, { note })).json(),
  deleteRun: (run: Id, name: string) => send("DELETE", `runs/${id(run)}`, { name }),

  jobs: () => get<Job[]>("jobs"),
  startJob: (job: JobRequest) => post<Job>("jobs", job),
  /** The command that a job would run. */
  command: async (job: JobRequest) => (await post<{ command: string }>("command", job)).command,
  stopJob: (job: Id) => post<Job>(`jobs/${id(job)}/stop`, {}),
  deleteJob: (job: Id) => send("DELETE", `jobs/${id(job)}`, {}),

  tasks: () => get<TaskInfo[]>("tasks"),
  evaluations: () => get<EvaluationSummary[]>("evaluations"),
  comparison: (before: Id, after: Id) =>
    get<Comparison>(`comparison?before=${id(before)}&after=${id(after)}`),
  reports: () => get<ReportSummary[]>("reports"),
  reportPage: (report: Id) => `api/reports/${id(report)}/page`,
  trees: (report: Id, problem: number) => get<ShownTrees[]>(`reports/${id(report)}/trees?problem=${problem}`),
  talk: (request: TalkRequest) => post<Talk>("talk", request),
  /** The address of an OpenAI client's completions; streamed answers are read by the caller. */
  completions: "api/talk/v1/chat/completions",
};

/**
 * Sends a file to the server. One that is too large is not sent: a browser reads no answer before it has sent everything.
 *
 * @param maximumBytes what the server takes
 * @param onProgress is given the share that has gone out, 0 to 1
 */
export async function upload(
  file: File,
  maximumBytes: number,
  onProgress: (share: number) => void,
): Promise<Upload> {
  if (file.size > maximumBytes)
    throw new Error(
      `${file.name} has ${formatBytes(file.size)}, and the studio takes ${formatBytes(maximumBytes)} at most; move it into a folder of the studio's, and choose it there.`,
    );
  // fetch does not tell how much of a body has gone out.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => {
      if (request.status < 300) resolve(JSON.parse(request.responseText) as Upload);
      else reject(new Error(sentenceOf(request.responseText) ?? `The server answered ${request.status}.`));
    };
    request.onerror = () => reject(new ServerLost("The server took no more of the file."));
    request.open("POST", `api/uploads?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.send(file);
  });
}
