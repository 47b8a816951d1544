/** @file The studio without its socket: its parts, put together. */

import { join } from "node:path";
import { createStudioApp, type StudioApp, type StudioAppOptions } from "./app.ts";
import { createContent } from "./content/content.ts";
import { createEventHub, type EventHub } from "./events.ts";
import { openFolders } from "./folders.ts";
import { admitModel, admitOptions } from "./given-options.ts";
import { createJobPlanner } from "./job-plan.ts";
import { type Jobs, openJobs } from "./jobs.ts";
import { openRuns, type Runs } from "./runs.ts";
import { createUploads } from "./uploads.ts";

export interface StudioOptions extends StudioAppOptions {
  /** What lies in them may be read; the first is written into. */
  readonly folders: readonly string[];
  /** Tuning runs at a time. Default 1. */
  readonly jobs?: number;
  /** The command line's program. Default: this package's. */
  readonly program?: string;
  /** Largest upload in bytes. Default 1 GB. */
  readonly maximumUpload?: number;
}

export interface OpenStudio {
  readonly app: StudioApp;
  readonly events: EventHub;
  readonly runs: Runs;
  /** Goes on with jobs that wait, and looks at the folders while pages are open. */
  start(): void;
  /** Ends what it has begun: runs with a checkpoint. */
  close(): Promise<void>;
}

/** Where the studio keeps files of its own. */
export function stateFolderOf(folder: string): string {
  return join(folder, ".studio");
}

/** Milliseconds between two looks at the folders while a page is open. */
const lookInterval = 1000;

/** Looks through the folders. @throws InputError if one of the studio's own files is damaged. */
export async function openStudio(options: StudioOptions): Promise<OpenStudio> {
  const folders = openFolders(options.folders);
  const [first] = folders.list as [string];
  const stateFolder = stateFolderOf(first);
  const events = createEventHub();
  let jobs: Jobs | undefined;
  const runs = openRuns({
    folders,
    stateFolder,
    publish: events.publish,
    isBusy: (run) => jobs?.isBusy(run) ?? false,
  });
  await runs.refresh();
  jobs = openJobs({
    folder: join(stateFolder, "jobs"),
    planner: createJobPlanner(folders, runs.find),
    publish: events.publish,
    ...(options.jobs !== undefined && { atATime: options.jobs }),
    ...(options.program !== undefined && { program: options.program }),
  });
  const content = createContent({
    folders,
    findRun: (id) => runs.find(id).summary.path,
    admitOptions: (given) => admitOptions(folders, given),
    admitModel: (model) => admitModel(folders, model),
  });
  const uploads = createUploads(join(first, "uploads"), options.maximumUpload);
  const app = createStudioApp({ folders, runs, jobs, uploads, events, content }, options);
  let looking: NodeJS.Timeout | undefined;
  return {
    app,
    events,
    runs,
    start() {
      jobs.start();
      looking = setInterval(() => {
        if (events.open > 0) runs.refresh().catch(options.onUnexpectedError ?? (() => {}));
      }, lookInterval);
    },
    async close() {
      clearInterval(looking);
      events.close();
      await Promise.all([jobs.close(), content.close()]);
    },
  };
}
