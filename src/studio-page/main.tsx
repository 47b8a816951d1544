/** @file The studio's page: its head, and the view that the address names. */

import { render } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import { Compare } from "./compare/compare.tsx";
import { Notice } from "./components/notice.tsx";
import { Jobs } from "./jobs/jobs.tsx";
import { Reports } from "./reports/reports.tsx";
import { route } from "./route.ts";
import { Run } from "./run/run.tsx";
import { Runs } from "./run-list/runs.tsx";
import { Start } from "./start/start.tsx";
import { connect, connection, live, liveProblem } from "./state/live.ts";
import { Talk } from "./talk/talk.tsx";
import { applyTheme, ThemeChoice } from "./theme.tsx";
import "./style.css";

const views = { start: Start, runs: Runs, jobs: Jobs, compare: Compare, reports: Reports, talk: Talk };
const titles = {
  start: "Start",
  runs: "Runs",
  jobs: "Jobs",
  compare: "Compare",
  reports: "Reports",
  talk: "Talk",
} as const;

function isView(name: string): name is keyof typeof views {
  return Object.hasOwn(views, name);
}

function Page() {
  const { view, id } = route.value;
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const title = view === "run" ? "Run" : isView(view) ? titles[view] : "Not found";
  useEffect(() => {
    document.title = `${title} – slimtune studio`;
    // A reader is told of the new view; the first one it reads by itself.
    if (!isFirst.current) {
      main.current!.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [title, id]);

  const waiting = [...(live.value?.jobs.values() ?? [])].filter(({ state }) => state === "running").length;
  return (
    <>
      <header>
        <a class="brand" href="#/start">
          slimtune studio
        </a>
        <nav aria-label="Views">
          {Object.entries(titles).map(([name, title]) => (
            <a key={name} href={`#/${name}`} aria-current={view === name ? "page" : undefined}>
              {title}
              {name === "jobs" && waiting > 0 && (
                <span class="count">
                  {waiting}
                  <span> running</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <ThemeChoice />
      </header>
      <main ref={main} tabIndex={-1}>
        <Connection />
        <View key={`${view}/${id}`} view={view} />
      </main>
    </>
  );
}

function View({ view }: { readonly view: string }) {
  const [error] = useErrorBoundary();
  if (error !== undefined)
    return (
      <Notice kind="error">
        This view cannot be shown: {(error as Error).message}. Load the page anew, or look at another view.
      </Notice>
    );
  if (view === "run") return <Run />;
  if (isView(view)) {
    const Shown = views[view];
    return <Shown />;
  }
  return (
    <>
      <h1>Not found</h1>
      <p>
        There is no view “{view}”. <a href="#/start">Go to the start</a>.
      </p>
    </>
  );
}

/** Says plainly that the server is away, for as long as it is. */
function Connection() {
  if (connection.value === "lost")
    return (
      <Notice kind="error">
        {liveProblem.value ?? "The studio's server does not answer."} What is shown may be old; this page
        tries again by itself.
      </Notice>
    );
  return liveProblem.value ? <Notice kind="error">{liveProblem.value}</Notice> : null;
}

applyTheme();
connect();
render(<Page />, document.getElementById("page")!);
