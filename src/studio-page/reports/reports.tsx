/** @file The view "Reports": the pages that studies and other programs have written, as they grow, and the trees of searches. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ReportSummary } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { formatMoment } from "../format.ts";
import { route } from "../route.ts";
import { Trees } from "./trees.tsx";
import "./reports.css";

/** Milliseconds between two looks at which reports there are and when they changed. */
const lookEvery = 5000;

export function Reports() {
  const looks = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") looks.value++;
    }, lookEvery);
    return () => clearInterval(timer);
  }, []);
  const { value: reports, problem } = useFetched(client.reports, [looks.value]).value;
  const kinds = [...new Set(reports?.map(({ kind }) => kind))];
  const shown = reports?.find(({ id }) => id === route.value.id);
  return (
    <>
      <h1>Reports</h1>
      {problem && <Notice kind="error">{problem}</Notice>}
      {reports?.length === 0 && (
        <p class="quiet">
          There is none in the studio's folders yet: slimtune study, reason, search, assess, federate and
          demos write them.
        </p>
      )}
      {reports && reports.length > 0 && (
        <div class="reports">
          <nav aria-label="Reports">
            {kinds.map((kind) => (
              <div key={kind}>
                <h2>{kind}</h2>
                {reports
                  .filter((report) => report.kind === kind)
                  .map((report) => (
                    <a
                      key={report.id}
                      href={`#/reports/${report.id}`}
                      aria-current={report.id === shown?.id ? "page" : undefined}
                    >
                      {report.title}
                      <small>{describe(report)}</small>
                    </a>
                  ))}
              </div>
            ))}
          </nav>
          {shown ? <Report key={shown.id} report={shown} /> : <p class="quiet">Choose a report.</p>}
        </div>
      )}
    </>
  );
}

function describe({ path, changedAt, isFinished }: ReportSummary): string {
  return `${path}, ${formatMoment(changedAt)}${isFinished ? "" : ", under way"}`;
}

function Report({ report: { id, title, kind, changedAt } }: { readonly report: ReportSummary }) {
  return (
    <div>
      {/* A frame without scripts or an origin: a report holds texts of strangers. It is loaded anew when the report has changed. */}
      <iframe
        key={changedAt}
        title={title}
        sandbox=""
        src={`${client.reportPage(id)}?changed=${changedAt}`}
      />
      <p>
        <a href={client.reportPage(id)} target="_blank" rel="noreferrer">
          Open the page on its own
        </a>
      </p>
      {kind === "search" && <Trees report={id} />}
    </div>
  );
}
